// Rewrites times in the reader's own words and time zone: "2 minutes ago", and the full date on demand.

const STEPS = [
  ["second", 60],
  ["minute", 60],
  ["hour", 24],
  ["day", 30],
  ["month", 12],
  ["year", Infinity],
];
const language = document.documentElement.lang;
const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
const full = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "medium" });

// Rewrites all times of the page, now and every half minute.
export function tellTimes() {
  for (const time of document.querySelectorAll("time[datetime]")) {
    const then = new Date(time.dateTime);
    time.title = full.format(then);
    time.textContent = ago((then - Date.now()) / 1000);
  }
}

function ago(seconds) {
  let amount = seconds;
  for (const [unit, size] of STEPS) {
    if (Math.abs(Math.trunc(amount)) < size) return relative.format(Math.trunc(amount), unit);
    amount /= size;
  }
  return "";
}

setInterval(tellTimes, 30_000);
