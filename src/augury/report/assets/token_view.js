"use strict";
(function () {
  const data = JSON.parse(document.getElementById("data").textContent);
  const at = (id) => document.getElementById(id);
  const state = { trace: 0, series: 0, full: false, token: -1 };
  const SVG = "http://www.w3.org/2000/svg";
  const HEIGHT = 80;
  let pieces = [], scores = new Float32Array(0), flags = new Uint8Array(0), spans = [], here = null;

  function make(name, settings, parent) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(settings || {})) element[key] = value;
    if (parent) parent.append(element);
    return element;
  }

  function draw(name, attributes, parent) {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    parent.append(element);
    return element;
  }

  function bytes(text) {
    return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  }

  function floats(text) {
    const view = new DataView(bytes(text).buffer);
    return Float32Array.from({ length: view.byteLength / 4 }, (_, i) => view.getFloat32(4 * i, true));
  }

  const signed = (n) => (n === 0 ? "0" : (n > 0 ? "+" : "\u2212") + Math.abs(n));
  const number = (x) => (Number.isNaN(x) ? "not scored" : x.toPrecision(4).replace("-", "\u2212"));
  const short = (x) => String(Number(x.toPrecision(3))).replace("-", "\u2212");
  const horizonName = (h) => (h === null ? "none" : "h " + signed(h) + " (lag " + signed(-h) + ")");
  const score = (token) => scores[state.series * pieces.length + token];
  const distinct = (values) => values.filter((v, i) => values.indexOf(v) === i);

  function limits() {
    const own = data.series[state.series].limits;
    return state.full && own[0] >= 0 && own[1] <= 1 ? [0, 1] : own;
  }

  function share(value) {
    const [low, high] = limits();
    return Math.min(Math.max((value - low) / (high - low), 0), 1);
  }

  // ---- controls: the nearest series stays chosen when the other coordinate changes

  const sites = distinct(data.series.map((s) => s.site));
  const horizons = distinct(data.series.map((s) => s.horizon)).sort((a, b) => a - b);
  const controls = {};

  function choose(site, horizon, leading) {
    const fits = (s) => (leading === "site" ? s.site === site : s.horizon === horizon);
    const away = (s) =>
      leading === "site"
        ? Math.abs((s.horizon || 0) - (horizon || 0))
        : Math.abs(sites.indexOf(s.site) - sites.indexOf(site));
    const found = data.series.map((s, i) => [s, i]).filter(([s]) => fits(s));
    state.series = found.reduce((a, b) => (away(b[0]) < away(a[0]) ? b : a))[1];
    colour();
  }

  function slider(label, count, change) {
    const box = make("label", {}, at("controls"));
    const text = make("span", { textContent: label }, box);
    const input = make("input", { type: "range", min: 0, max: count - 1, step: 1 }, box);
    input.addEventListener("input", () => change(Number(input.value)));
    input.disabled = count < 2;
    return { text, input };
  }

  function build() {
    const box = make("label", {}, at("controls"));
    make("span", { textContent: "trace" }, box);
    const select = make("select", {}, box);
    data.traces.forEach((trace, i) => make("option", { value: String(i), textContent: trace.title }, select));
    select.addEventListener("change", () => open(Number(select.value)));
    const now = () => data.series[state.series];
    controls.site = slider("site", sites.length, (i) => choose(sites[i], now().horizon, "site"));
    if (horizons.length > 1 || horizons[0] !== null) {
      controls.horizon = slider("horizon", horizons.length, (i) => choose(now().site, horizons[i], "horizon"));
    }
    const check = make("label", {}, at("controls"));
    make("span", { textContent: "colours from 0 to 1" }, check);
    const tick = make("input", { type: "checkbox" }, check);
    tick.addEventListener("change", () => { state.full = tick.checked; colour(); });
  }

  // ---- text

  function open(index) {
    const trace = data.traces[index];
    state.trace = index;
    state.token = -1;
    here = null;
    pieces = trace.pieces;
    scores = floats(trace.scores);
    flags = bytes(trace.flags);
    at("note").textContent = trace.note;
    const parts = document.createDocumentFragment();
    spans = pieces.map((piece, i) => {
      const span = make("span", { className: "token" }, parts);
      span.dataset.i = String(i);
      if (flags[i] & 2) span.classList.add("inside");
      if (flags[i] & 1) span.classList.add("onset");
      piece.split("\n").forEach((line, n) => {
        if (n) { make("span", { className: "break", textContent: "\u21b5" }, span); span.append("\n"); }
        span.append(line);
      });
      return span;
    });
    at("text").replaceChildren(parts);
    colour();
    show(-1);
  }

  function colour() {
    const { threshold } = data.series[state.series];
    spans.forEach((span, i) => {
      const value = score(i);
      const none = Number.isNaN(value);
      span.classList.toggle("none", none);
      span.classList.toggle("above", !none && threshold !== null && value >= threshold);
      span.style.backgroundColor = none ? "" : "rgba(var(--heat), calc(var(--most) * " + share(value).toFixed(4) + "))";
    });
    legend();
    strip();
    if (state.token >= 0) show(state.token);
  }

  function legend() {
    const series = data.series[state.series];
    const [low, high] = limits();
    const box = at("legend");
    box.replaceChildren();
    const scale = make("span", { className: "scale" }, box);
    scale.append(data.quantity + "\u2002" + short(low));
    const ramp = make("span", { className: "ramp" }, scale);
    scale.append(short(high));
    if (series.threshold !== null) {
      make("span", { className: "mark" }, ramp).style.left = 100 * share(series.threshold) + "%";
      sample("above", "at or above the threshold " + short(series.threshold), box);
    }
    sample("onset", "onset", box);
    sample("inside", "inside an event", box);
    sample("none", "not scored", box);
    controls.site.text.textContent = "site: " + series.site;
    controls.site.input.value = String(sites.indexOf(series.site));
    controls.site.input.setAttribute("aria-valuetext", series.site);
    if (controls.horizon) {
      controls.horizon.text.textContent = "horizon: " + horizonName(series.horizon);
      controls.horizon.input.value = String(horizons.indexOf(series.horizon));
      controls.horizon.input.setAttribute("aria-valuetext", horizonName(series.horizon));
    }
  }

  function sample(kind, text, box) {
    const item = make("span", {}, box);
    make("span", { className: "token sample " + kind, textContent: "abc" }, item);
    item.append(text);
  }

  // ---- strip: the score along the text

  function strip() {
    const { threshold } = data.series[state.series];
    const n = pieces.length;
    const up = (value) => HEIGHT - 4 - (HEIGHT - 8) * share(value);
    at("strip").replaceChildren();
    const picture = draw("svg", { viewBox: "0 0 " + n + " " + HEIGHT, preserveAspectRatio: "none", role: "img",
      "aria-label": "score along the text" }, at("strip"));
    let path = "", pen = false;
    for (let i = 0; i < n; i++) {
      if (flags[i] & 2) draw("rect", { class: "event", x: i, y: 0, width: 1, height: HEIGHT }, picture);
      if (flags[i] & 1) draw("line", { class: "onset", x1: i + 0.5, x2: i + 0.5, y1: 0, y2: HEIGHT }, picture);
      const value = score(i);
      if (Number.isNaN(value)) { pen = false; continue; }
      const y = up(value).toFixed(1);
      path += (pen ? "L" : "M") + i + " " + y + "L" + (i + 1) + " " + y;
      pen = true;
    }
    draw("path", { class: "line", d: path }, picture);
    if (threshold !== null) {
      draw("line", { class: "limit", x1: 0, x2: n, y1: up(threshold), y2: up(threshold) }, picture);
    }
    here = draw("line", { class: "here", x1: -9, x2: -9, y1: 0, y2: HEIGHT }, picture);
    picture.addEventListener("click", (event) => {
      const frame = picture.getBoundingClientRect();
      show(Math.min(Math.floor(((event.clientX - frame.left) / frame.width) * n), n - 1));
      spans[state.token].scrollIntoView({ block: "center" });
    });
  }

  // ---- details of one token

  function show(token) {
    if (state.token >= 0 && spans[state.token]) spans[state.token].classList.remove("here");
    state.token = token;
    if (token < 0) {
      at("details").textContent = "Point at a token, tap it, or use the arrow keys.";
      return;
    }
    spans[token].classList.add("here");
    here.setAttribute("x1", token + 0.5);
    here.setAttribute("x2", token + 0.5);
    const series = data.series[state.series];
    const value = score(token);
    const box = at("details");
    box.replaceChildren();
    make("b", { textContent: number(value) }, box);
    const facts = ["token " + token + " \u201c" + pieces[token].replaceAll("\n", "\u21b5") + "\u201d", series.site];
    if (series.horizon !== null) facts.push(horizonName(series.horizon));
    if (series.threshold !== null && !Number.isNaN(value)) {
      facts.push((value >= series.threshold ? "at or above" : "below") + " the threshold " + number(series.threshold));
    }
    if (flags[token] & 1) facts.push("onset");
    else if (flags[token] & 2) facts.push("inside an event");
    for (const fact of facts) box.append(" \u00b7 ", make("span", { textContent: fact }));
  }

  const target = (event) => {
    const span = event.target.closest ? event.target.closest("#text .token") : null;
    return span ? Number(span.dataset.i) : -1;
  };
  for (const kind of ["pointerover", "click"]) {
    at("text").addEventListener(kind, (event) => { if (target(event) >= 0) show(target(event)); });
  }
  at("text").addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 20, ArrowUp: -20 }[event.key];
    if (!step) return;
    event.preventDefault();
    show(Math.min(Math.max(state.token + step, 0), pieces.length - 1));
    spans[state.token].scrollIntoView({ block: "nearest" });
  });
  at("controls").addEventListener("submit", (event) => event.preventDefault());

  build();
  open(0);
})();
