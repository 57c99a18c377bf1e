// The page: finds and filters in the map, copies commands, and changes its colours.

document.documentElement.classList.add("scripted");
const maps = [...document.querySelectorAll(".grid")].map((grid) => new Tree(grid));

function filter() {
  maps.forEach((map) => {
    map.closedInFilter.clear();
    map.show();
  });
  const shown = maps.reduce((sum, map) => sum + map.root.count, 0);
  const all = content.rows.length.toLocaleString("en");
  element("told").textContent = isFiltered()
    ? `${shown.toLocaleString("en")} of ${all} tensors`
    : `${all} tensors`;
  element("nothing").hidden = shown > 0 || !content.rows.length;
  element("clear").hidden = !isFiltered();
}

const differs = (row) => row.found || row.difference?.elements;

function addChips() {
  const chips = Object.keys(WORDS)
    .filter((status) => WORDS[status] && content.counts[status])
    .map((status) => ({ name: WORDS[status], kind: status, is: (row) => row.status === status }));
  if (content.kind === "pair") chips.push({ name: "differs", kind: "missing", is: differs });
  chips.push({ name: "rounded", kind: "dropped", is: (row) => row.exact === false });
  for (const chip of chips) {
    const count = content.rows.filter(chip.is).length;
    if (!count || (count === content.rows.length && chips.length < 4)) continue;
    const number = make("span", { class: "number" }, count.toLocaleString("en"));
    chip.button = make(
      "button",
      { type: "button", class: `chip ${chip.kind}`, "aria-pressed": "false" },
      chip.name,
      " ",
      number
    );
    chip.button.addEventListener("click", () => {
      const on = !filters.chips.has(chip);
      filters.chips[on ? "add" : "delete"](chip);
      chip.button.setAttribute("aria-pressed", String(on));
      filter();
    });
    element("chips").append(chip.button);
  }
}

function clear() {
  filters.terms = [];
  filters.finding = null;
  filters.chips.forEach((chip) => chip.button.setAttribute("aria-pressed", "false"));
  filters.chips.clear();
  element("find").value = "";
  filter();
}

function find() {
  filters.terms = element("find").value.toLowerCase().split(/\s+/).filter(Boolean);
  filter();
}

let waiting = 0;
element("find").addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(find, content.rows.length > 2000 ? 120 : 0);
});
element("tools").addEventListener("submit", (event) => {
  event.preventDefault();
  maps.find((map) => map.lines.length)?.go(maps.find((map) => map.lines.length).lines[0]);
});
element("clear").addEventListener("click", clear);
element("fold").addEventListener("click", () => maps.forEach((map) => map.foldAll(false)));
element("unfold").addEventListener("click", () => maps.forEach((map) => map.foldAll(true)));
document.addEventListener("keydown", (event) => {
  const typing = event.target.matches("input");
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    element("find").focus();
  }
  if (event.key === "Escape" && (typing || isFiltered())) clear();
});

document.querySelectorAll(".show").forEach((button) => {
  button.hidden = false;
  button.addEventListener("click", () => {
    clear();
    filters.finding = new Set(content.findings[button.dataset.finding].rows);
    filter();
    element("map").scrollIntoView();
    maps.find((map) => map.lines.length)?.go(maps.find((map) => map.lines.length).lines[0]);
  });
});

document.querySelectorAll(".copy").forEach((button) => {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const code = button.parentElement.querySelector("code");
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code); // then Ctrl-C does it
      button.textContent = "Selected";
    }
    setTimeout(() => (button.textContent = "Copy"), 1600);
  });
});

const theme = element("theme");
const isDark = () =>
  getComputedStyle(document.documentElement).colorScheme === "dark" ||
  (getComputedStyle(document.documentElement).colorScheme !== "light" &&
    matchMedia("(prefers-color-scheme: dark)").matches);
const tellTheme = () => (theme.textContent = isDark() ? "Light" : "Dark");
theme.addEventListener("click", () => {
  document.documentElement.dataset.theme = isDark() ? "light" : "dark";
  tellTheme();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", tellTheme);

addEventListener("beforeprint", () => {
  isPrinting = true;
  maps.forEach((map) => map.fillAll());
});
addEventListener("afterprint", () => (isPrinting = false));

addChips();
tellTheme();
theme.hidden = false;
element("tools").hidden = !content.rows.length;
filter();
