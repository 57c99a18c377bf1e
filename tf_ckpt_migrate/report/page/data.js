// What the page is about, and which of it is to be shown.

const element = (id) => document.getElementById(id);
const content = JSON.parse(element("data").textContent);
const WORDS = JSON.parse(element("words").textContent); // for each status
const described = content.target === null;
const hasSketches = content.rows.some((row) => row.interval);

content.rows.forEach((row, index) => {
  row.index = index;
  const tensors = [...(row.sources ?? []), ...(row.target ? [row.target] : [])];
  tensors.forEach((tensor) => (tensor.path ??= tensor.key.split("/")));
  row.text = tensors
    .map((tensor) => `${tensor.key} ${tensor.path.join("/")} ${tensor.spec}`)
    .join(" ")
    .toLowerCase();
});
content.findings.forEach((finding) =>
  (finding.rows ?? []).forEach((index) => {
    const row = content.rows[index];
    row.level = row.level === "problem" ? "problem" : finding.level;
  })
);

let isPrinting = false;
const filters = { terms: [], chips: new Set(), finding: null };

function wanted(row) {
  if (filters.finding && !filters.finding.has(row.index)) return false;
  if (filters.chips.size && ![...filters.chips].some((chip) => chip.is(row))) return false;
  return filters.terms.every((term) => row.text.includes(term));
}

const isFiltered = () => filters.terms.length || filters.chips.size || filters.finding;
