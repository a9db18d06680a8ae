"use strict";
(() => {
  const one = (selector) => document.querySelector(selector);
  const { key, labels, items } = JSON.parse(one("#data").textContent);
  // Told apart by hue and by their words; the first two read as yes and no.
  const colours = ["#14808c", "#c0323f", "#8a6d00", "#6a4fb3", "#2f6fb5", "#3f7d3f", "#a8477f", "#7a5230", "#55627a"];
  const colourOf = (label) => colours[labels.indexOf(label)];
  // Without a prototype, so that an item may be called constructor. What is kept of items that are
  // not on this page stays, and is saved with the others.
  const nothing = () => Object.create(null);
  const state = { labels: nothing(), skipped: nothing(), history: [], at: 0 };
  const shown = new Set(items.map((item) => item.name));

  function load() {
    try {
      const kept = JSON.parse(localStorage.getItem(key) ?? "{}");
      for (const [name, label] of Object.entries(kept.labels ?? {})) {
        if (labels.includes(label)) state.labels[name] = label;
      }
      for (const name of Object.keys(kept.skipped ?? {})) state.skipped[name] = true;
      state.at = Math.min(Math.max(0, Number(kept.at) || 0), items.length - 1);
    } catch {
      // A browser that keeps nothing still labels; the button saves.
    }
  }

  function save() {
    try {
      const { labels: given, skipped, at } = state;
      localStorage.setItem(key, JSON.stringify({ labels: given, skipped, at }));
    } catch {
      // See load.
    }
  }

  // The keys: digits, first letters where they differ, and arrows for two.
  const reserved = new Set(["u", "n", "s", "z"]);
  const letters = labels.map((label) => label[0].toLowerCase());
  const keysOf = labels.map((label, n) => {
    const letter = letters[n];
    const unique = letters.filter((other) => other === letter).length === 1;
    const arrow = labels.length === 2 ? [["ArrowRight", "ArrowLeft"][n]] : [];
    return [String(n + 1), ...arrow, ...(unique && !reserved.has(letter) && !/\d/.test(letter) ? [letter] : [])];
  });
  const shownKey = { ArrowRight: "→", ArrowLeft: "←" };

  function drawing(item) {
    if (item.kind === "image") {
      const picture = document.createElement("img");
      picture.src = item.picture;
      picture.alt = "";
      return picture;
    }
    const space = "http://www.w3.org/2000/svg";
    const svg = document.createElementNS(space, "svg");
    svg.setAttribute("viewBox", `0 0 ${item.width} ${item.height}`);
    svg.setAttribute("preserveAspectRatio", "none");
    const path = document.createElementNS(space, "path");
    path.setAttribute("d", item.path);
    if (item.filled) path.setAttribute("class", "area");
    svg.append(path);
    return svg;
  }

  function button(text, keys, action) {
    const made = document.createElement("button");
    made.type = "button";
    made.append(text);
    for (const name of keys) {
      const hint = document.createElement("kbd");
      hint.textContent = shownKey[name] ?? name.toUpperCase();
      made.append(hint);
    }
    made.addEventListener("click", action);
    return made;
  }

  const choices = labels.map((label, n) => {
    const made = button(label, keysOf[n], () => give(label));
    made.style.setProperty("--of", colours[n]);
    made.dataset.choice = label;
    return made;
  });
  one("#choices").append(...choices);

  const tiles = items.map((item, n) => {
    const tile = document.createElement("button");
    tile.type = "button";
    tile.title = item.shown;
    tile.setAttribute("aria-label", item.shown);
    tile.append(drawing(item));
    tile.addEventListener("click", () => go(n));
    const entry = document.createElement("li");
    entry.append(tile);
    one("#strip").append(entry);
    return tile;
  });

  function show() {
    const item = items[state.at];
    one("#view").replaceChildren(drawing(item));
    one("#shown").textContent = item.shown;
    one("#facts").textContent = `${item.facts} · ${state.at + 1} of ${items.length}`;
    choices.forEach((made) => made.setAttribute("aria-pressed", state.labels[item.name] === made.dataset.choice));
    tiles.forEach((tile, n) => mark(tile, n));
    tally();
    save();
  }

  function mark(tile, n) {
    const { name } = items[n];
    const label = state.labels[name];
    tile.classList.toggle("skipped", !label && Boolean(state.skipped[name]));
    if (label) {
      tile.dataset.label = label;
      tile.style.setProperty("--of", colourOf(label));
    } else {
      delete tile.dataset.label;
    }
    if (n === state.at) tile.setAttribute("aria-current", "true");
    else tile.removeAttribute("aria-current");
  }

  function tally() {
    const given = items.map(({ name }) => state.labels[name]).filter(Boolean);
    const elsewhere = Object.keys(state.labels).length - given.length;
    const counts = labels.map((label) => [label, given.filter((one) => one === label).length]);
    counts.push(["without", items.length - given.length]);
    if (elsewhere) counts.push(["of an earlier page", elsewhere]);
    one("#tally").replaceChildren(
      ...counts.map(([name, number]) => {
        const entry = document.createElement("li");
        const bold = document.createElement("b");
        bold.textContent = number;
        entry.append(bold, ` ${name}`);
        return entry;
      }),
    );
    one("#finished").hidden = given.length < items.length;
  }

  function go(n) {
    state.at = Math.min(Math.max(n, 0), items.length - 1);
    show();
    tiles[state.at].scrollIntoView({ block: "nearest" });
  }

  function remember() {
    const { name } = items[state.at];
    state.history.push({ at: state.at, name, label: state.labels[name], skipped: state.skipped[name] });
  }

  function give(label) {
    remember();
    const { name } = items[state.at];
    state.labels[name] = label;
    delete state.skipped[name];
    go(state.at + 1);
  }

  function skip() {
    remember();
    const { name } = items[state.at];
    if (!state.labels[name]) state.skipped[name] = true;
    go(state.at + 1);
  }

  function undo() {
    const last = state.history.pop();
    if (!last) return;
    for (const [kept, value] of [[state.labels, last.label], [state.skipped, last.skipped]]) {
      if (value) kept[last.name] = value;
      else delete kept[last.name];
    }
    go(last.at);
  }

  function open() {
    const order = [...items.keys()];
    const after = [...order.slice(state.at + 1), ...order.slice(0, state.at + 1)];
    const found = after.find((n) => !state.labels[items[n].name]);
    if (found !== undefined) go(found);
  }

  // As the table does it: a spreadsheet must not take a name for a formula.
  function cell(text) {
    const safe = /^'*[=+\-@\t\r\n]/.test(text) ? `'${text}` : text;
    return /[",;\t\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  }

  function exported() {
    const here = items.map(({ name }) => name).filter((name) => state.labels[name]);
    const names = [...here, ...Object.keys(state.labels).filter((name) => !shown.has(name))];
    return ["name,label", ...names.map((name) => `${cell(name)},${cell(state.labels[name])}`), ""].join("\r\n");
  }

  one("#export").addEventListener("click", () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([exported()], { type: "text/csv" }));
    link.download = "labels.csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  });

  const moves = { back: () => go(state.at - 1), skip, undo, open };
  document.querySelectorAll("[data-do]").forEach((made) => made.addEventListener("click", moves[made.dataset.do]));
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const name = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const n = keysOf.findIndex((keys) => keys.includes(name));
    const others = { " ": skip, s: skip, u: undo, z: undo, Backspace: undo, n: open };
    const action = n >= 0 ? () => give(labels[n]) : others[name];
    if (!action) return;
    event.preventDefault();
    action();
  });

  load();
  show();
})();
