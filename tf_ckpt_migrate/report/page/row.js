// One line of the map: a scope, or a tensor with what became of it.

function verdict(row) {
  if (row.found) return ["bad", `found ${row.found}`];
  if (row.status === "missing" || row.status === "extra") return ["bad", WORDS[row.status]];
  if (row.shared) return ["good", "same bytes"];
  const d = row.difference;
  if (d && !d.elements) return ["good", "equal"];
  if (d) {
    const far = d.max_abs === undefined ? "" : ` by ${inDigits(d.max_abs, 3)}`;
    return row.level === "problem" ? ["bad", `differs${far}`] : ["warn", `rounded${far}`];
  }
  if (row.exact === false) return ["warn", "rounded"];
  if (row.level === "check") return ["warn", WORDS[row.status] || "check"];
  return ["", WORDS[row.status]];
}

const LINES = {
  renamed: "M2 8H54M49 4l5 4l-5 4",
  kept: "M2 8H54",
  computed: "M2 8H20M36 8H54M49 4l5 4l-5 4M28 2l6 6l-6 6l-6-6z",
  dropped: "M2 8H24M24 4l8 8M32 4l-8 8",
  missing: "M2 8H24M24 4l8 8M32 4l-8 8",
  extra: "M34 8H54M49 4l5 4l-5 4M28 5.5a2.5 2.5 0 1 0 .01 0z",
  added: "M34 8H54M49 4l5 4l-5 4M28 5.5a2.5 2.5 0 1 0 .01 0z",
  held: "M40 8H54M34 5.5a2.5 2.5 0 1 0 .01 0z",
};

function link(status) {
  const line = draw("path", { d: LINES[status] ?? LINES.kept });
  return draw(
    "svg",
    { viewBox: "0 0 56 16", class: `line ${status}`, "aria-hidden": "true" },
    line
  );
}

function marked(text, terms) {
  const shown = printable(text);
  const box = make("bdi", {});
  const lower = shown.toLowerCase();
  let at = 0;
  while (terms.length && at < shown.length) {
    let [start, length] = [-1, 0];
    for (const term of terms) {
      const found = lower.indexOf(term, at);
      if (found >= 0 && (start < 0 || found < start)) [start, length] = [found, term.length];
    }
    if (start < 0) break;
    box.append(shown.slice(at, start), make("mark", {}, shown.slice(start, start + length)));
    at = start + length;
  }
  box.append(shown.slice(at));
  return box;
}

function cell(kind, ...children) {
  return make("div", { role: "gridcell", class: kind }, ...children);
}

function scopeCells(node, terms, described) {
  const number = `${node.count.toLocaleString("en")} ${node.count === 1 ? "tensor" : "tensors"}`;
  const cells = [
    cell(
      "source",
      make("span", { class: "twist", "aria-hidden": "true" }),
      marked(node.left, terms)
    ),
  ];
  if (!described) {
    const same = node.rightLabel === node.left;
    const line = node.right ? link(same ? "kept" : "renamed") : null;
    cells.push(
      cell("link", line ?? ""),
      cell("target", node.right ? marked(node.rightLabel, terms) : "")
    );
  }
  const told = [];
  if (node.problems) told.push(make("span", { class: "bad" }, `${node.problems} wrong`));
  if (node.checks) told.push(make("span", { class: "warn" }, `${node.checks} to check`));
  cells.push(
    cell("spec", number),
    cell("size", inBytes(node.bytes)),
    cell("sketch"),
    cell("verdict", ...told)
  );
  return cells;
}

function leafCells(node, terms, described) {
  const row = node.row;
  const [kind, word] = verdict(row);
  const names = make("span", { class: "names" });
  const above = row.sources?.[0].path.slice(0, -node.label.length) ?? [];
  (row.sources ?? []).forEach((tensor, at) => {
    const start = at && startsWith(tensor.path, above) ? above.length : 0;
    const text = at ? tensor.path.slice(start).join("/") : node.left;
    names.append(make("span", {}, marked(text, terms)));
  });
  const several = row.sources?.length > 1 ? " several" : "";
  const cells = [
    cell(`source${several}`, make("span", { class: "twist", "aria-hidden": "true" }), names),
  ];
  if (!described) {
    const unseen = make("span", { class: "unseen" }, WORDS[row.status]);
    const target = row.target ? marked(node.rightLabel, terms) : "";
    const by = row.transform ? make("span", { class: "by" }, printable(row.transform)) : "";
    cells.push(cell("link", link(row.status), unseen), cell("target", target, by));
  }
  const tensor = row.target ?? row.sources[0];
  const sketch = row.interval ? picture(row, 64, 18) : "";
  if (sketch) sketch.setAttribute("aria-hidden", "true");
  cells.push(
    cell("spec", tensor.spec),
    cell("size", tensor.spec ? inBytes(tensor.nbytes) : ""),
    cell("sketch", sketch),
    cell("verdict", word ? make("span", { class: kind }, word) : "")
  );
  return cells;
}

function line(node, number, { open, terms, described }) {
  const cells = node.row ? leafCells(node, terms, described) : scopeCells(node, terms, described);
  const same = node.left === node.rightLabel ? " same" : "";
  const element = make(
    "div",
    {
      role: "row",
      class: `row ${node.row ? `leaf ${node.row.status}` : "scope"}${same}`,
      tabindex: "-1",
      "aria-level": node.level,
      "aria-posinset": node.place[0],
      "aria-setsize": node.place[1],
      "aria-expanded": String(open),
      "aria-rowindex": number + 2,
    },
    ...cells
  );
  element.style.setProperty("--level", node.level - 1);
  element.node = node;
  return element;
}

function opened(node) {
  const whole = make("div", { role: "gridcell", "aria-colspan": "7" }, detail(node.row));
  return make("div", { role: "row", class: "open" }, whole);
}
