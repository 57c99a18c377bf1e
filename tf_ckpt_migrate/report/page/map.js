// A part of the map: its lines, of which only those near the window are made, and what
// mouse and keyboard do to them.

const CHUNK = 60; // lines that are made together, when they come near the window
const HEIGHT = 34; // of a line that is not made yet
const FIRST = 60; // lines that a map shows of itself

class Tree {
  constructor(grid) {
    this.grid = grid;
    const roles = grid.dataset.roles.split(" ");
    const rows = content.rows.filter((row) => roles.includes(row.role));
    this.root = tally(buildTree(rows), () => true);
    this.openScopes = new Set();
    this.openLeaves = new Set();
    this.focused = null;
    this.unfoldSome();
    grid.setAttribute("role", "treegrid");
    grid.setAttribute("aria-labelledby", grid.closest("section").getAttribute("aria-labelledby"));
    grid.classList.toggle("described", described);
    grid.classList.toggle("sketched", hasSketches);
    grid.addEventListener("click", (event) => this.click(event));
    grid.addEventListener("keydown", (event) => this.key(event));
    grid.addEventListener("focusin", (event) => this.focus(event.target.closest(".row")));
    this.watcher = new IntersectionObserver(
      (entries) =>
        entries.forEach((each) => this[each.isIntersecting ? "fill" : "empty"](each.target)),
      { rootMargin: "900px 0px" }
    );
    this.show();
  }

  // Unfold level after level while what is shown stays within a screen or two.
  unfoldSome() {
    let level = this.root.children.filter((node) => !node.row);
    let count = this.root.children.length;
    while (level.length) {
      const more = level.reduce((sum, node) => sum + node.children.length, 0);
      if (count + more > FIRST && this.openScopes.size) return;
      if (count + more > 3 * FIRST) return;
      level.forEach((node) => this.openScopes.add(node));
      count += more;
      level = level.flatMap((node) => node.children.filter((child) => !child.row));
    }
  }

  isOpen(node) {
    if (node.row) return this.openLeaves.has(node);
    return isFiltered() ? !this.closedInFilter.has(node) : this.openScopes.has(node);
  }

  closedInFilter = new Set();

  foldAll(open) {
    this.closedInFilter.clear();
    this.openScopes.clear();
    const walk = (node) =>
      node.children.forEach((child) => {
        if (child.row) return;
        (open ? this.openScopes : this.closedInFilter).add(child);
        walk(child);
      });
    walk(this.root);
    if (open) this.closedInFilter.clear();
    this.show();
  }

  show() {
    tally(this.root, wanted);
    this.lines = visible(this.root, (node) => this.isOpen(node));
    this.watcher.disconnect();
    const chunks = [];
    for (let first = 0; first < this.lines.length; first += CHUNK) {
      const chunk = make("div", { role: "presentation", class: "chunk" });
      chunk.first = first;
      const height = Math.min(CHUNK, this.lines.length - first) * HEIGHT;
      chunk.style.setProperty("height", `${height}px`);
      chunks.push(chunk);
    }
    this.grid.setAttribute("aria-rowcount", this.lines.length + 1);
    this.grid.replaceChildren(this.head(), ...chunks);
    chunks.forEach((chunk) => this.watcher.observe(chunk));
    this.fillNear(chunks);
    this.grid.closest("section").hidden = !this.lines.length;
    if (!this.lines.includes(this.focused)) this.focused = this.lines[0] ?? null;
    this.mark();
  }

  // At once, so that nothing flickers: what is in the window, or soon will be.
  fillNear(chunks) {
    for (const chunk of chunks) {
      const { top, bottom } = chunk.getBoundingClientRect();
      if (top > innerHeight + 400) return;
      if (bottom > -400) this.fill(chunk);
    }
  }

  head() {
    const names = described
      ? ["key", "", "", "tensor", "size", hasSketches ? "values" : "", ""]
      : ["source", "", "target", "tensor", "size", hasSketches ? "values" : "", "result"];
    const kinds = ["source", "link", "target", "spec", "size", "sketch", "verdict"];
    const cells = kinds
      .map((kind, at) => [kind, names[at]])
      .filter(([kind]) => !described || (kind !== "link" && kind !== "target"))
      .map(([kind, name]) =>
        make(
          "div",
          { role: "columnheader", class: kind },
          name || make("span", { class: "unseen" }, kind)
        )
      );
    return make(
      "div",
      { role: "rowgroup" },
      make("div", { role: "row", class: "head", "aria-rowindex": "1" }, ...cells)
    );
  }

  fill(chunk) {
    if (chunk.filled) return;
    chunk.filled = true;
    chunk.setAttribute("role", "rowgroup");
    chunk.style.removeProperty("height");
    this.lines.slice(chunk.first, chunk.first + CHUNK).forEach((node, at) => {
      const open = this.isOpen(node);
      const made = line(node, chunk.first + at, { open, terms: filters.terms, described });
      made.tabIndex = node === this.focused ? 0 : -1;
      chunk.append(made);
      if (node.row && open) chunk.append(opened(node));
    });
  }

  // What is far from the window takes no more than its height.
  empty(chunk) {
    if (!chunk.filled || chunk.contains(document.activeElement) || isPrinting) return;
    chunk.style.setProperty("height", `${chunk.offsetHeight}px`);
    chunk.replaceChildren();
    chunk.setAttribute("role", "presentation");
    chunk.filled = false;
  }

  fillAll() {
    this.grid.querySelectorAll(".chunk").forEach((chunk) => this.fill(chunk));
  }

  elementOf(node) {
    const at = this.lines.indexOf(node);
    if (at < 0) return null;
    const chunk = this.grid.children[1 + Math.floor(at / CHUNK)];
    this.fill(chunk);
    return [...chunk.children].find((each) => each.node === node);
  }

  // One line can be reached by the tabulator; arrows go on from there.
  mark() {
    this.grid.querySelectorAll('.row[tabindex="0"]').forEach((each) => (each.tabIndex = -1));
    const at = this.lines.indexOf(this.focused);
    const chunk = at < 0 ? null : this.grid.children[1 + Math.floor(at / CHUNK)];
    const found = chunk && [...chunk.children].find((each) => each.node === this.focused);
    if (found) found.tabIndex = 0;
  }

  focus(row) {
    if (!row?.node || row.node === this.focused) return;
    this.focused = row.node;
    this.mark();
  }

  go(node) {
    const found = node && this.elementOf(node);
    if (!found) return;
    this.focused = node;
    this.mark();
    found.focus();
  }

  toggle(node, open = !this.isOpen(node)) {
    if (open === this.isOpen(node)) return;
    if (node.row) {
      this.openLeaves[open ? "add" : "delete"](node);
      const row = this.elementOf(node);
      row.setAttribute("aria-expanded", String(open));
      if (open) row.after(opened(node));
      else row.nextSibling.remove();
      return;
    }
    if (isFiltered()) this.closedInFilter[open ? "delete" : "add"](node);
    else this.openScopes[open ? "add" : "delete"](node);
    const had = this.grid.contains(document.activeElement);
    this.focused = node;
    this.show();
    if (had) this.elementOf(node)?.focus({ preventScroll: true });
  }

  click(event) {
    const row = event.target.closest(".row");
    if (!row?.node || String(getSelection())) return;
    this.focused = row.node;
    row.focus({ preventScroll: true });
    this.toggle(row.node);
  }

  key(event) {
    const row = event.target;
    if (!row.node || event.ctrlKey || event.metaKey || event.altKey) return;
    const at = this.lines.indexOf(row.node);
    const steps = {
      ArrowDown: () => this.go(this.lines[at + 1]),
      ArrowUp: () => this.go(this.lines[at - 1]),
      Home: () => this.go(this.lines[0]),
      End: () => this.go(this.lines.at(-1)),
      PageDown: () => this.go(this.lines[Math.min(at + 20, this.lines.length - 1)]),
      PageUp: () => this.go(this.lines[Math.max(at - 20, 0)]),
      ArrowRight: () =>
        this.isOpen(row.node) ? this.go(this.lines[at + 1]) : this.toggle(row.node, true),
      ArrowLeft: () =>
        this.isOpen(row.node)
          ? this.toggle(row.node, false)
          : this.go(row.node.parent.parent && row.node.parent),
      Enter: () => this.toggle(row.node),
      " ": () => this.toggle(row.node),
    };
    if (!steps[event.key]) return;
    event.preventDefault();
    steps[event.key]();
  }
}
