// What is shown of one tensor when its row is opened: names, statistics, histogram.

const SVG = "http://www.w3.org/2000/svg";
const UNITS = ["bytes", "KB", "MB", "GB", "TB"];
const NUMBERS = [
  ["least", "least"],
  ["greatest", "greatest"],
  ["mean", "mean"],
  ["deviation", "deviation"],
  ["zeros", "zeros"],
  ["nans", "NaN"],
  ["infinities", "infinite"],
  ["elements", "strings"],
  ["total_length", "bytes"],
];

const COUNTS = ["zeros", "nans", "infinities"]; // told only where there are any

function make(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (value !== null && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null && child !== ""));
  return element;
}

function draw(name, attributes, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

// A name may hold anything, invisible too; what cannot be seen is shown as its code.
function printable(text) {
  return text.replace(/(?! )[\p{C}\p{Z}]/gu, (c) => `\\u{${c.codePointAt(0).toString(16)}}`);
}

function inBytes(size) {
  let unit = 0;
  while (size >= 999.5 && unit < UNITS.length - 1) [size, unit] = [size / 1000, unit + 1];
  return `${Number(size.toPrecision(3)).toLocaleString("en")} ${UNITS[unit]}`;
}

function inDigits(value, digits = 5) {
  if (typeof value === "string" || Number.isInteger(value)) return value.toLocaleString("en");
  return String(Number(value.toPrecision(digits)));
}

function bars(counts, width, height, kind) {
  if (counts.length === 1) counts = [0, ...counts, 0]; // one value, in the middle
  const most = Math.max(...counts, 1);
  const step = width / counts.length;
  const path = counts.map((count, at) => {
    const tall = count ? Math.max((count / most) * height, 1) : 0;
    return `V${(height - tall).toFixed(2)}H${((at + 1) * step).toFixed(2)}`;
  });
  return draw("path", { class: kind, d: `M0 ${height}${path.join("")}V${height}Z` });
}

function picture(row, width, height) {
  const svg = draw("svg", {
    viewBox: `0 -1 ${width} ${height + 2}`,
    preserveAspectRatio: "none",
    class: "bars",
  });
  if (row.before?.counts) svg.append(bars(row.before.counts, width, height, "before"));
  if (row.after?.counts) svg.append(bars(row.after.counts, width, height, "after"));
  return svg;
}

function inWords(row) {
  const of = (values, when) => {
    const s = values?.statistics;
    if (!s || s.mean === undefined) return "";
    const range = `${inDigits(s.least)} to ${inDigits(s.greatest)}`;
    return `${when}from ${range}, mean ${inDigits(s.mean)}, deviation ${inDigits(s.deviation)}`;
  };
  if (!row.after) return of(row.before, "");
  return [of(row.before, "before "), of(row.after, "after ")].filter(Boolean).join("; ");
}

function histogram(row) {
  const figure = make("figure", { class: "histogram" });
  const svg = picture(row, 480, 120);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `Histogram of values ${inWords(row)}`);
  const [low, high] = row.interval;
  figure.append(
    svg,
    make(
      "div",
      { class: "axis" },
      make("span", {}, inDigits(low)),
      make("span", {}, inDigits(high))
    )
  );
  const told = [];
  if (row.before?.counts && row.after?.counts) {
    told.push(
      make("span", { class: "key before" }, "before"),
      make("span", { class: "key after" }, "after")
    );
  }
  if (row.step) told.push(`of every ${row.step}th value; the statistics are of all`);
  if (told.length) figure.append(make("figcaption", {}, ...told));
  return figure;
}

function statistics(row) {
  const sides = [
    ["before", row.before],
    ["after", row.after],
  ].filter(([, values]) => values);
  const head = make("tr", {}, make("td", {}));
  for (const [name] of sides) {
    head.append(make("th", { scope: "col" }, sides.length > 1 ? name : "values"));
  }
  const body = make("tbody", {});
  for (const [field, name] of NUMBERS) {
    const isCount = COUNTS.includes(field);
    if (
      sides.every(
        ([, { statistics }]) => statistics[field] === undefined || (isCount && !statistics[field])
      )
    )
      continue;
    const line = make("tr", {}, make("th", { scope: "row" }, name));
    for (const [, values] of sides) {
      const value = values.statistics[field];
      line.append(make("td", {}, value === undefined ? "" : inDigits(value, 7)));
    }
    body.append(line);
  }
  return make("table", { class: "statistics" }, make("thead", {}, head), body);
}

function facts(row) {
  const list = make("dl", { class: "facts" });
  const add = (name, ...values) => {
    list.append(make("dt", {}, name), ...values.map((value) => make("dd", {}, value)));
  };
  const key = (tensor) =>
    make(
      "span",
      {},
      make("bdi", { class: "key-text" }, printable(tensor.key)),
      make("span", { class: "why" }, ` ${tensor.spec}`)
    );
  if (row.sources) add(row.target ? "from" : "key", ...row.sources.map(key));
  if (row.target) add("to", key(row.target));
  if (row.transform) add("by", make("code", {}, printable(row.transform)));
  if (row.exact === false) add("exact", "no: values may be rounded");
  if (row.reason) add("why", printable(row.reason));
  if (row.found) add("found", row.found);
  if (row.shared) add("values", "the very same bytes of one file");
  const d = row.difference;
  if (d && !row.shared) {
    add("difference", d.elements ? farApart(d) : "none: every element is equal");
  }
  return list;
}

function farApart(d) {
  const parts = [`${d.elements.toLocaleString("en")} ${d.elements === 1 ? "element" : "elements"}`];
  if (d.max_abs !== undefined) parts.push(`largest ${inDigits(d.max_abs)}`);
  if (d.max_rel !== undefined) parts.push(`largest relative ${inDigits(d.max_rel)}`);
  if (d.not_finite) parts.push(`${d.not_finite.toLocaleString("en")} NaN or infinite`);
  return parts.join(", ");
}

function detail(row) {
  const box = make("div", { class: "detail" }, facts(row));
  if (row.before || row.after) {
    const values = make("div", { class: "values" });
    if (row.interval) values.append(histogram(row));
    values.append(statistics(row));
    box.append(values);
  }
  return box;
}
