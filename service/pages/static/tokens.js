// Makes tokens, shows each once, and revokes them.
import { acting, ask } from "./api.js";
import { again, renew, sure } from "./parts.js";

const form = document.getElementById("make");
if (form) offer();

function offer() {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const made = await acting(event.submitter, () => ask("POST", "/v1/tokens", wanted(new FormData(form))));
    if (made) await show(made);
  });
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-revoke]");
    if (button && (await meant(button.closest("tr")))) await revoke(button);
  });
}

function wanted(fields) {
  const day = fields.get("expires");
  return {
    name: fields.get("name"),
    scopes: fields.getAll("scopes"),
    ...(day && { expires: `${day}T23:59:59Z` }),
    ...(fields.has("owner") && { owner: fields.get("owner") }),
  };
}

async function show(made) {
  const shown = document.getElementById("new-token");
  const dialog = document.getElementById("made");
  shown.textContent = made.token;
  dialog.addEventListener("close", () => { shown.textContent = ""; }, { once: true });
  dialog.showModal();
  form.reset();
  const page = await again();
  const rows = document.getElementById("tokens");
  if (rows) renew(rows, page);
  else dialog.addEventListener("close", () => location.reload(), { once: true });
}

function meant(row) {
  const dialog = document.getElementById("sure");
  dialog.querySelector("li").textContent = row.querySelector(".title").textContent;
  dialog.querySelector(".warning").hidden = row.dataset.own === undefined;
  return sure(dialog);
}

async function revoke(button) {
  const row = button.closest("tr");
  const ended = await acting(button, () => ask("DELETE", `/v1/tokens/${button.dataset.revoke}`));
  if (!ended) return;
  if (row.dataset.own === undefined) renew(document.getElementById("tokens"), await again());
  else location.assign("/login");
}
