// Two aligned trees: scopes of the sources, and beside each the scope that its targets
// have in common. Nothing here knows of the page.

const NO_PATH = [];

function commonStart(a, b) {
  let length = 0;
  while (length < a.length && length < b.length && a[length] === b[length]) length++;
  return a.slice(0, length);
}

function startsWith(path, start) {
  return start.length <= path.length && start.every((part, at) => part === path[at]);
}

function folder(label, parent) {
  return { label, parent, children: [], folders: new Map(), right: null, row: null };
}

function leaf(label, parent, row) {
  const right = row.target ? row.target.path : null;
  return { label, parent, children: [], right, row };
}

function insert(root, path, row) {
  let node = root;
  for (const part of path.slice(0, -1)) {
    if (!node.folders.has(part)) {
      const made = folder([part], node);
      node.folders.set(part, made);
      node.children.push(made);
    }
    node = node.folders.get(part);
  }
  node.children.push(leaf(path.slice(-1), node, row));
}

// The scope that all targets below a folder have in common; null if there are none.
function findRight(node) {
  if (node.row) return node.right && node.right.slice(0, -1);
  for (const child of node.children) {
    const right = findRight(child);
    if (right) node.right = node.right ? commonStart(node.right, right) : right;
  }
  return node.right;
}

// Folders by the scope that their targets have in common.
function byRight(node, found = new Map()) {
  for (const child of node.children) {
    if (child.row) continue;
    const scope = child.right?.join("/");
    if (scope && !found.has(scope)) found.set(scope, child);
    byRight(child, found);
  }
  return found;
}

// What has no source stands where its neighbours in the target are, if it has any.
function insertBeside(folders, beyond, row) {
  const path = row.target.path;
  for (let length = path.length - 1; length > 0; length--) {
    const beside = folders.get(path.slice(0, length).join("/"));
    if (beside) return beside.children.push(leaf([], beside, row));
  }
  return insert(beyond, path, row);
}

// A folder with one child is shown as one line with it.
function merged(node) {
  node.children = node.children.map(merged);
  const only = node.children[0];
  if (node.children.length !== 1) return node;
  only.label = [...node.label, ...only.label];
  return only;
}

function finish(node, level) {
  node.level = level;
  const { row, right, parent } = node;
  const hasSource = row ? row.sources : right === null || node.isOfSource;
  node.left = hasSource ? node.label.join("/") + (row ? "" : "/") : "";
  node.rightLabel = right ? rightLabel(node, right, parent?.right ?? NO_PATH) : "";
  for (const child of node.children) {
    child.parent = node;
    finish(child, level + 1);
  }
}

function rightLabel(node, right, above) {
  const rest = right.slice(startsWith(right, above) ? above.length : 0);
  if (node.row) return rest.join("/");
  if (rest.length) return `${rest.join("/")}/`;
  // Its targets are in several scopes: the first of them say which.
  const scopes = node.children.map((child) => {
    const scope = child.row ? child.right?.slice(0, -1) : child.right;
    return scope?.length > above.length ? `${scope[above.length]}/` : null;
  });
  const names = [...new Set(scopes.filter(Boolean))];
  return names.slice(0, 3).join(" ") + (names.length > 3 ? " …" : "") || "./";
}

function buildTree(rows) {
  const [root, beyond] = [folder([], null), folder([], null)];
  for (const row of rows) if (row.sources) insert(root, row.sources[0].path, row);
  findRight(root);
  markSources(root);
  const folders = byRight(root);
  for (const row of rows) if (!row.sources) insertBeside(folders, beyond, row);
  findRight(beyond);
  root.children = [...root.children, ...beyond.children].map(merged);
  root.right = NO_PATH;
  finish(root, 0);
  return root;
}

function markSources(node) {
  node.isOfSource = true;
  node.children.forEach(markSources);
}

// Count below every folder what is wanted; folders with nothing have a count of 0.
function tally(node, wanted) {
  if (node.row) {
    const is = wanted(node.row) ? 1 : 0;
    node.count = is;
    node.bytes = is * (node.row.target ?? node.row.sources[0]).nbytes;
    node.problems = is && node.row.level === "problem" ? 1 : 0;
    node.checks = is && node.row.level === "check" ? 1 : 0;
    return node;
  }
  const sums = { count: 0, bytes: 0, problems: 0, checks: 0 };
  for (const child of node.children) {
    tally(child, wanted);
    for (const name in sums) sums[name] += child[name];
  }
  return Object.assign(node, sums);
}

// The nodes to show, in order: those of open folders, and of these what is wanted.
function visible(root, isOpen) {
  const found = [];
  const walk = (node) => {
    const shown = node.children.filter((child) => child.count);
    shown.forEach((child, at) => {
      child.place = [at + 1, shown.length];
      found.push(child);
      if (!child.row && isOpen(child)) walk(child);
    });
  };
  walk(root);
  return found;
}
