// Numbers as people write them: the same as the server's filters of these names (service/rendering.py).

function digits(value, count) {
  const [mantissa, power] = value.toExponential(count - 1).split("e").map(Number);
  if (power >= -4 && power < count) return String(Number(value.toPrecision(count)));
  return `${mantissa}e${power < 0 ? "-" : "+"}${String(Math.abs(power)).padStart(2, "0")}`;
}

export function rate(value) {
  return value === null ? "–" : digits(value, 2);
}

export function score(value, metric) {
  if (value === null) return "–";
  return metric === "accuracy" ? `${(100 * value).toFixed(2)}%` : digits(value, 4);
}

export function duration(seconds) {
  if (seconds === null) return "–";
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  const whole = Math.round(seconds);
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return whole % 60 ? `${minutes} min ${whole % 60} s` : `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
