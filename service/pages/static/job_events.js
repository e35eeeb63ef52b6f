// Follows a job by its server-sent events, for as long as it goes on.

const RESTING = new Set(["paused", "completed", "failed", "cancelled"]);
const AGAIN_MS = 5000;

// Calls `heard.trial` and `heard.job` with what happens after an event, `heard.connection` with how
// that is: "live", "lost", or "" where nothing is to come. Returns what begins to follow anew, so that
// what is still on its way, of the job as it was, is not heard any more.
export function follow(address, after, heard) {
  let source = null;
  let last = after;

  function end() {
    source.close();
    source = null;
  }

  function begin() {
    if (source) return;
    source = new EventSource(`${address}?after=${last}`);
    source.addEventListener("open", () => heard.connection("live"));
    source.addEventListener("trial", (event) => {
      last = event.lastEventId;
      heard.trial(JSON.parse(event.data));
    });
    source.addEventListener("job", (event) => {
      const job = JSON.parse(event.data);
      if (RESTING.has(job.state)) {
        end();
        heard.connection("");
      }
      heard.job(job);
    });
    // The browser connects again by itself, unless an answer says that there is no stream.
    source.addEventListener("error", () => {
      heard.connection("lost");
      if (source.readyState !== EventSource.CLOSED) return;
      end();
      setTimeout(begin, AGAIN_MS);
    });
  }

  // Somebody may have let it go on elsewhere.
  document.addEventListener("visibilitychange", () => document.hidden || begin());
  begin();
  return () => {
    if (source) end();
    begin();
  };
}
