// The API, asked as every client asks it; the browser adds the login's cookie.

export class Problem extends Error {
  constructor(body) {
    super(body.detail ?? "The server did not answer.");
    this.field = body.field ?? null;
    this.status = body.status ?? 0;
    this.errors = body.errors ?? [];
  }
}

// What the API answers, as an object; a problem that it tells of is thrown.
export async function ask(method, address, body, headers = {}) {
  const isJson = body !== undefined && !(body instanceof Blob);
  let answer;
  try {
    answer = await fetch(address, {
      method,
      body: isJson ? JSON.stringify(body) : body,
      headers: isJson ? { "Content-Type": "application/json", ...headers } : headers,
    });
  } catch {
    throw new Problem({ detail: "The server cannot be reached. Is it running?" });
  }
  const kind = answer.headers.get("content-type") ?? "";
  if (!answer.ok) {
    throw new Problem(kind.includes("json") ? await answer.json() : { detail: answer.statusText, status: answer.status });
  }
  if (answer.status === 204) return null;
  return kind.includes("json") ? answer.json() : answer.text();
}

// Says something in the corner: for a moment, or, of what went wrong, until it is clicked away.
export function tell(text, { isProblem = false } = {}) {
  const line = document.createElement("p");
  line.textContent = text;
  line.classList.toggle("problem", isProblem);
  line.addEventListener("click", () => line.remove());
  document.getElementById("message").append(line);
  if (!isProblem) setTimeout(() => line.remove(), 4000);
}

// Runs what a button asks for; the button rests meanwhile, and a problem is told.
export async function acting(button, action) {
  button.disabled = true;
  try {
    return await action();
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    tell(problem.message, { isProblem: true });
    return undefined;
  } finally {
    button.disabled = false;
  }
}
