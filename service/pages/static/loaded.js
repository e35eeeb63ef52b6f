// Fulfilled once plotly's script is there: it is large, and what needs none of it does not wait for it.
export const loaded = new Promise((resolve) => {
  if (document.readyState === "complete") resolve();
  else addEventListener("load", resolve, { once: true });
});
