"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const one = (selector, root = document) => root.querySelector(selector);
  document.documentElement.classList.add("js");

  // Lists: filter by text and by choice, sort.
  const collator = new Intl.Collator("en", { numeric: true });

  function compare(key, direction) {
    const sign = direction === "down" ? -1 : 1;
    return (a, b) => {
      const [left, right] = [a.dataset[key], b.dataset[key]];
      if (key === "path") return sign * collator.compare(left, right);
      if (left === "" || right === "") return (left === "") - (right === "");
      return sign * (Number(left) - Number(right));
    };
  }

  function startList(section) {
    const list = one("[data-list]", section);
    if (!list) return;
    const asListed = [...list.children];
    const search = one("[data-search]", section);
    const filters = all("[data-filter]", section);
    const sort = one("[data-sort]", section);

    function refilter() {
      const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const item of asListed) {
        const text = item.dataset.text.toLowerCase();
        const match =
          words.every((word) => text.includes(word)) &&
          filters.every(({ value, dataset }) => !value || item.dataset[dataset.filter] === value);
        item.hidden = !match;
        shown += match;
      }
      one("[data-shown]", section).value =
        shown === asListed.length ? "" : `${shown} of ${asListed.length} match`;
      one("[data-empty]", section).hidden = shown > 0;
    }

    function resort() {
      const [key, direction] = sort.value.split(":");
      list.append(...(key ? asListed.toSorted(compare(key, direction)) : asListed));
    }

    search.addEventListener("input", refilter);
    filters.forEach((filter) => filter.addEventListener("change", refilter));
    sort?.addEventListener("change", resort);
  }
  all("[data-section]").forEach(startList);

  for (const tile of all("[data-show]")) {
    tile.addEventListener("click", () => {
      for (const filter of all('[data-filter="status"]')) {
        filter.value = tile.dataset.show;
        filter.dispatchEvent(new Event("change"));
      }
    });
  }

  // The cut-off under the histogram.
  const cutoff = one("#cutoff");
  if (cutoff) {
    const above = JSON.parse(one("#counts-above").textContent);
    const total = above[0] || 1;
    const show = () => {
      const at = Number(cutoff.value);
      const share = ((100 * above[at]) / total).toFixed(1);
      one("#above").value = `${above[at].toLocaleString("en")} images (${share} %) score above ${at}`;
      for (const line of all(".cutoff")) {
        const [from, to] = [Number(line.dataset.from), Number(line.dataset.to)];
        const x = from + ((to - from) * at) / 100;
        line.setAttribute("x1", x);
        line.setAttribute("x2", x);
        line.setAttribute("visibility", "visible");
      }
    };
    cutoff.addEventListener("input", show);
    show();
  }

  // The viewer: an image under its block masks.
  const viewer = one("#viewer");
  const canvas = one("canvas", viewer);
  const layers = Object.fromEntries(
    all("[data-layer]", viewer).map((box) => [box.dataset.layer, box]),
  );
  const paint = { distorted: "#ff8a1f", noisy: "#2f9bff" };
  let current = null;
  let cells = null;

  async function readMasks({ masks, columns, rows }) {
    if (!masks) return null;
    const picture = new Image();
    picture.src = masks;
    await picture.decode();
    const scratch = document.createElement("canvas");
    [scratch.width, scratch.height] = [Number(columns), Number(rows)];
    const context = scratch.getContext("2d", { willReadFrequently: true });
    context.drawImage(picture, 0, 0);
    return context.getImageData(0, 0, scratch.width, scratch.height);
  }

  function kindsOf(offset) {
    // Some browsers add noise to what a page reads back: a threshold, not an equality.
    const [active, distorted, noisy] = [0, 1, 2].map((plane) => cells.data[offset + plane] > 127);
    if (!active) return layers.inactive.checked ? ["inactive"] : [];
    return [
      ...(distorted && layers.distorted.checked ? ["distorted"] : []),
      ...(noisy && layers.noisy.checked ? ["noisy"] : []),
    ];
  }

  function veil(context) {
    const tile = document.createElement("canvas");
    [tile.width, tile.height] = [8, 8];
    const brush = tile.getContext("2d");
    brush.fillStyle = "rgba(10, 14, 22, .6)";
    brush.fillRect(0, 0, 8, 8);
    brush.fillStyle = "rgba(255, 255, 255, .2)";
    for (let at = 0; at < 8; at++) brush.fillRect(at, 7 - at, 1, 1);
    return context.createPattern(tile, "repeat");
  }

  function draw() {
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, canvas.width, canvas.height);
    if (!cells) return;
    const { width, cell } = current.dataset;
    paint.inactive = veil(context);
    // Blocks start at the image's first pixel; those at the far edges may reach past it.
    const side = (16 * Number(cell) * canvas.width) / Number(width);
    for (let row = 0; row < cells.height; row++) {
      for (let column = 0; column < cells.width; column++) {
        const [left, right] = [column, column + 1].map((edge) => Math.round(edge * side));
        const [top, bottom] = [row, row + 1].map((edge) => Math.round(edge * side));
        const kinds = kindsOf(4 * (row * cells.width + column));
        drawCell(context, kinds, { left, right, top, bottom });
      }
    }
  }

  // A block that is both distorted and noisy is cut along its diagonal.
  function drawCell(context, kinds, { left, right, top, bottom }) {
    const corners = { first: [left, top], second: [right, bottom] };
    kinds.forEach((kind, index) => {
      context.beginPath();
      context.moveTo(right, top);
      context.lineTo(...(index ? corners.second : corners.first));
      context.lineTo(left, bottom);
      if (kinds.length === 1) context.lineTo(...corners.second);
      context.closePath();
      context.fillStyle = context.strokeStyle = paint[kind];
      context.globalAlpha = kind === "inactive" ? 1 : 0.48;
      context.fill();
      if (kind === "inactive" || right - left < 8) return;
      context.save();
      context.clip();
      context.lineWidth = 3;
      context.globalAlpha = 0.9;
      context.stroke();
      context.restore();
    });
  }

  function layOut(width, height) {
    const stage = one(".stage", viewer);
    stage.style.aspectRatio = `${width} / ${height}`;
    stage.style.width = `min(100%, calc(68vh * ${width / height}))`;
    const scale = Math.min(1280 / width, 1280 / height);
    canvas.width = Math.max(1, Math.round(width * scale));
    canvas.height = Math.max(1, Math.round(height * scale));
  }

  const clone = (source, target) =>
    target.replaceChildren(...(source ? [...source.childNodes].map((n) => n.cloneNode(true)) : []));

  function fillText(card) {
    const { active, distorted, noisy } = card.dataset;
    const shares = { distorted, noisy, inactive: active && 1 - active };
    for (const [layer, share] of Object.entries(shares)) {
      one(`[data-share=${layer}]`, viewer).value = share === "" ? "" : `${(100 * share).toFixed(1)} %`;
    }
    clone(one(".name", card), one("#viewer-name"));
    clone(one(".reason", card), one(".viewer-reason", viewer));
    clone(one(".pairs", card), one(".viewer-pairs", viewer));
    const chip = one(".chip", card);
    one(".viewer-score", viewer).replaceChildren(...(chip ? [chip.cloneNode(true)] : []));
    clone(one(".facts", card), one(".viewer-facts", viewer));
  }

  async function open(frame) {
    current = frame;
    const [width, height] = [Number(frame.dataset.width), Number(frame.dataset.height)];
    const picture = one("img", frame);
    const shown = one(".stage img", viewer);
    shown.hidden = !picture;
    if (picture) {
      shown.src = picture.src;
      shown.alt = picture.alt;
      shown.classList.toggle("exact", picture.naturalWidth === width);
    }
    layOut(width, height);
    fillText(frame.closest(".card"));
    one("fieldset", viewer).hidden = !frame.dataset.masks;
    const side = 16 * Number(frame.dataset.cell ?? 1);
    one(".viewer-note", viewer).textContent =
      side === 16 ? "" : `A square stands for ${side} × ${side} pixels, marked if any block in it is.`;
    if (!viewer.open) viewer.showModal();
    const loaded = await readMasks(frame.dataset);
    if (current !== frame) return;
    cells = loaded;
    draw();
    viewer.dataset.ready = frame.dataset.masks ? "masks" : "picture";
  }

  function step(by) {
    const frames = all(".card:not([hidden]) .frame");
    const at = frames.indexOf(current);
    open(frames[(at + by + frames.length) % frames.length] ?? current);
  }

  all(".frame").forEach((frame) => frame.addEventListener("click", () => open(frame)));
  Object.values(layers).forEach((box) => box.addEventListener("change", draw));
  all("[data-step]", viewer).forEach((button) =>
    button.addEventListener("click", () => step(Number(button.dataset.step))),
  );
  one("[data-close]", viewer).addEventListener("click", () => viewer.close());
  viewer.addEventListener("close", () => {
    delete viewer.dataset.ready;
    current?.focus();
  });
  viewer.addEventListener("click", (event) => {
    if (event.target === viewer) viewer.close();
  });
  viewer.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") step(-1);
    if (event.key === "ArrowRight") step(1);
  });

  window.addEventListener("beforeprint", () => all("details").forEach((d) => (d.open = true)));
})();
