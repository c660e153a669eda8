"use strict";
(function () {
  const data = JSON.parse(document.getElementById("data").textContent);
  const at = (id) => document.getElementById(id);
  const state = { trace: 0, series: data.first, token: -1, full: false, sentences: false, painted: data.painted };
  const SVG = "http://www.w3.org/2000/svg";
  const HEIGHT = 80, MOST_BINS = 1500, NOT_SCORED = 65535;
  const KEYS = "\u2190 \u2192 token \u00b7 \u2191 \u2193 20 tokens \u00b7 n p next, previous event \u00b7 " +
    "e E next, previous error \u00b7 [ ] site \u00b7 , . horizon \u00b7 s sentences";
  let pieces = [], spans = [], flags = new Uint8Array(0), truth = null, sentenceOf = null, here = null;
  let shown = new Float32Array(0);            // what each token is coloured by
  let version = 0, paintedAt = new Uint32Array(0);  // tokens out of sight are coloured when they come into it

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

  async function inflate(text) {
    const packed = atob(text), bytes = new Uint8Array(packed.length);
    for (let i = 0; i < packed.length; i++) bytes[i] = packed.charCodeAt(i);
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }

  const known = new Map();

  function remembered(key, load) {
    if (!known.has(key)) known.set(key, load());
    return known.get(key);
  }

  function scoresOf(trace, series) {
    return remembered("scores " + trace + " " + series, async () => {
      const bytes = await inflate(data.traces[trace].scores[series]);
      const n = bytes.length / 2, [low, high] = data.series[series].limits;
      return Float32Array.from({ length: n }, (_, i) => {
        const step = (bytes[i] << 8) | bytes[n + i];
        return step === NOT_SCORED ? NaN : low + (step / data.levels) * (high - low);
      });
    });
  }

  function flagsOf(trace, target) {
    const events = data.traces[trace].events;
    const packed = Object.hasOwn(events, target) ? events[target] : undefined;  // "constructor" is no event
    const none = () => new Uint8Array(data.traces[trace].pieces.length);
    return packed === undefined ? none() : remembered("events " + trace + " " + target, () => inflate(packed));
  }

  function truthOf(trace, series) {
    const packed = data.traces[trace].truth[series];
    if (packed === null) return null;
    return remembered("truth " + packed, async () => new Int8Array((await inflate(packed)).buffer));
  }

  const signed = (n) => (n === 0 ? "0" : (n > 0 ? "+" : "\u2212") + Math.abs(n));
  const number = (x) => (Number.isNaN(x) ? "not scored" : x.toPrecision(4).replace("-", "\u2212"));
  const short = (x) => String(Number(x.toPrecision(3))).replace("-", "\u2212");
  const horizonName = (h) => (h === null ? "none" : "h " + signed(h) + " (lag " + signed(-h) + ")");
  const distinct = (values) => values.filter((v, i) => values.indexOf(v) === i);
  const now = () => data.series[state.series];
  // The token at which a score is painted, less the token whose state gave it.
  const shift = () => (state.painted === "predicted" ? now().horizon || 0 : 0);

  function limits() {
    const own = now().limits;
    return state.full && own[0] >= 0 && own[1] <= 1 ? [0, 1] : own;
  }

  function share(value) {
    const [low, high] = limits();
    return Math.min(Math.max((value - low) / (high - low), 0), 1);
  }

  // ---- controls: the nearest series stays chosen when another coordinate changes

  const sites = distinct(data.series.map((s) => s.site));
  const horizons = distinct(data.series.map((s) => s.horizon)).sort((a, b) => a - b);
  const targets = distinct(data.series.map((s) => s.target));
  const controls = {};

  function choose(change) {
    const wanted = { ...now(), ...change };
    const away = (s) =>
      1e6 * (s.target !== wanted.target) +
      ("horizon" in change ? 1 : 1e3) * Math.abs(sites.indexOf(s.site) - sites.indexOf(wanted.site)) +
      ("horizon" in change ? 1e3 : 1) * Math.abs((s.horizon || 0) - (wanted.horizon || 0));
    const ranked = data.series.map((s, i) => [away(s), i]);
    state.series = ranked.reduce((a, b) => (b[0] < a[0] ? b : a))[1];
    return refresh();
  }

  function labelled(text) {
    const box = make("label", {}, at("controls"));
    return { box, text: make("span", { textContent: text }, box) };
  }

  function select(text, options, change) {
    const { box } = labelled(text);
    const chosen = make("select", {}, box);
    options.forEach(([value, name]) => make("option", { value, textContent: name }, chosen));
    chosen.addEventListener("change", () => change(chosen.value));
    return chosen;
  }

  function slider(text, count, change) {
    const made = labelled(text);
    const input = make("input", { type: "range", min: 0, max: count - 1, step: 1 }, made.box);
    input.addEventListener("input", () => change(Number(input.value)));
    input.disabled = count < 2;
    return { text: made.text, input };
  }

  function tick(text, change) {
    const box = make("input", { type: "checkbox" }, labelled(text).box);
    box.addEventListener("change", () => change(box.checked));
    return box;
  }

  function button(text, press) {
    make("button", { type: "button", textContent: text }, at("controls")).addEventListener("click", press);
  }

  function build() {
    select("trace", data.traces.map((t, i) => [String(i), t.title]), (value) => open(Number(value)));
    if (targets.length > 1) select("target", targets.map((t) => [t, t]), (target) => choose({ target }));
    controls.site = slider("site", sites.length, (i) => choose({ site: sites[i] }));
    if (horizons.length > 1 || horizons[0] !== null) {
      controls.horizon = slider("horizon", horizons.length, (i) => choose({ horizon: horizons[i] }));
      const options = [["state", "the token that was read"], ["predicted", "the token h ahead"]];
      select("painted at", options, (value) => { state.painted = value; refresh(); }).value = state.painted;
    }
    tick("colours from 0 to 1", (on) => { state.full = on; refresh(); });
    if (data.traces.some((trace) => trace.sentences.length)) {
      controls.sentences = tick("by sentence", (on) => { state.sentences = on; refresh(); });
    }
    button("next event", () => jump(1, isOnset, "event"));
    if (data.traces.some((trace) => trace.truth.some((t) => t !== null))) {
      button("next error", () => jump(1, isError, "error"));
    }
  }

  // ---- text

  function open(index) {
    const trace = data.traces[index];
    state.trace = index;
    state.token = -1;
    here = null;
    pieces = trace.pieces;
    at("note").textContent = trace.note;
    sentenceOf = null;
    if (trace.sentences.length) {
      sentenceOf = new Int32Array(pieces.length).fill(-1);
      trace.sentences.forEach((start, s) => sentenceOf.fill(s, start));
    }
    const parts = document.createDocumentFragment();
    spans = pieces.map((piece, i) => {
      const span = make("span", { className: "token" }, parts);
      span.dataset.i = i;
      if (!piece.includes("\n")) { span.append(piece); return span; }
      piece.split("\n").forEach((line, n) => {
        if (n) { make("span", { className: "break", textContent: "\u21b5" }, span); span.append("\n"); }
        span.append(line);
      });
      return span;
    });
    paintedAt = new Uint32Array(pieces.length);
    at("text").replaceChildren(parts);
    show(-1);
    return refresh();
  }

  async function refresh() {
    const asked = ++version;
    const read = [scoresOf(state.trace, state.series), flagsOf(state.trace, now().target),
      truthOf(state.trace, state.series)];
    const [scores, events, labels] = await Promise.all(read);
    if (asked !== version) return;  // the reader has moved on
    flags = events;
    truth = labels;
    shown = Float32Array.from({ length: pieces.length }, (_, i) => {
      const read = i - shift();
      return read < 0 || read >= scores.length ? NaN : scores[read];
    });
    if (state.sentences && sentenceOf) shown = bySentence(shown);
    paint();
    legend();
    strip();
    if (state.token >= 0) show(state.token);
    document.body.dataset.version = asked;
  }

  function bySentence(values) {
    const most = new Map();
    values.forEach((value, i) => {
      const best = most.get(sentenceOf[i]);
      if (!Number.isNaN(value) && (best === undefined || value > best)) most.set(sentenceOf[i], value);
    });
    return values.map((_, i) => most.get(sentenceOf[i]) ?? NaN);
  }

  const isOnset = (i) => Boolean(flags[i] & 1);

  function isError(i) {
    const asked = truth && !state.sentences ? truth[i - shift()] : -1;
    if (now().threshold === null || !(asked >= 0) || Number.isNaN(shown[i])) return false;
    return shown[i] >= now().threshold !== (asked === 1);
  }

  function colour(i) {
    const value = shown[i], none = Number.isNaN(value), { threshold } = now();
    const names = ["token"];
    if (flags[i] & 2) names.push("inside");
    if (flags[i] & 1) names.push("onset");
    if (none) names.push("none");
    if (!none && threshold !== null && value >= threshold) names.push("above");
    if (isError(i)) names.push("error");
    if (i === state.token) names.push("here");
    spans[i].className = names.join(" ");
    spans[i].style.backgroundColor = none ? "" : "rgba(var(--heat), calc(var(--most) * " + share(value).toFixed(4) + "))";
    paintedAt[i] = version;
  }

  // First token at or below a height of the window; tokens follow one another down the page.
  function firstBelow(height) {
    let low = 0, high = spans.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (spans[middle].getBoundingClientRect().bottom < height) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  function paint(everything) {
    const screen = window.innerHeight;
    const first = everything ? 0 : Math.max(firstBelow(-screen) - 1, 0);
    const last = everything ? spans.length : Math.min(firstBelow(2 * screen) + 1, spans.length);
    for (let i = first; i < last; i++) if (paintedAt[i] !== version) colour(i);
  }

  let waiting = false;
  function paintSoon() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; paint(); });
  }

  function legend() {
    const series = now(), [low, high] = limits(), box = at("legend");
    box.replaceChildren();
    const scale = make("span", { className: "scale" }, box);
    scale.append(data.quantity + "\u2002" + short(low));
    const ramp = make("span", { className: "ramp" }, scale);
    scale.append(short(high));
    if (series.threshold !== null) {
      make("span", { className: "mark" }, ramp).style.left = 100 * share(series.threshold) + "%";
      sample("above", "at or above the threshold " + short(series.threshold), box);
      if (truth) sample("error", "wrong at this threshold", box);
    }
    sample("onset", "onset" + (series.target ? " of " + series.target : ""), box);
    sample("inside", "inside an event", box);
    sample("none", "not scored", box);
    controls.site.text.textContent = "site: " + series.site;
    controls.site.input.value = sites.indexOf(series.site);
    controls.site.input.setAttribute("aria-valuetext", series.site);
    if (controls.horizon) {
      controls.horizon.text.textContent = "horizon: " + horizonName(series.horizon);
      controls.horizon.input.value = horizons.indexOf(series.horizon);
      controls.horizon.input.setAttribute("aria-valuetext", horizonName(series.horizon));
    }
    const where = shift() === 0 ? "the token whose state was read"
      : "the token that is spoken about, " + signed(shift()) + " from the state";
    at("painted").textContent = "A colour stands at " + where +
      (state.sentences ? "; every sentence has the largest score in it." : ".");
  }

  function sample(kind, text, box) {
    const item = make("span", {}, box);
    make("span", { className: "token sample " + kind, textContent: "abc" }, item);
    item.append(text);
  }

  // ---- strip: the score along the text; of many tokens the largest in each bin

  function strip() {
    const n = pieces.length, bin = Math.ceil(n / MOST_BINS), { threshold } = now();
    const up = (value) => HEIGHT - 4 - (HEIGHT - 8) * share(value);
    at("strip").replaceChildren();
    const picture = draw("svg", { viewBox: "0 0 " + n + " " + HEIGHT, preserveAspectRatio: "none", role: "img",
      "aria-label": "score along the text" }, at("strip"));
    let path = "", pen = false, inside = "", onsets = "";
    for (let i = 0; i < n; i++) {
      if (flags[i] & 2) inside += "M" + i + " 0h1v" + HEIGHT + "h-1z";
      if (flags[i] & 1) onsets += "M" + (i + 0.5) + " 0v" + HEIGHT;
    }
    for (let i = 0; i < n; i += bin) {
      let value = NaN;
      for (let j = i; j < Math.min(i + bin, n); j++) if (!(shown[j] <= value) && !Number.isNaN(shown[j])) value = shown[j];
      if (Number.isNaN(value)) { pen = false; continue; }
      const y = up(value).toFixed(1);
      path += (pen ? "L" : "M") + i + " " + y + "H" + Math.min(i + bin, n);
      pen = true;
    }
    draw("path", { class: "event", d: inside }, picture);
    draw("path", { class: "onset", d: onsets }, picture);
    draw("path", { class: "line", d: path }, picture);
    if (threshold !== null) {
      draw("line", { class: "limit", x1: 0, x2: n, y1: up(threshold), y2: up(threshold) }, picture);
    }
    here = draw("line", { class: "here", x1: -9, x2: -9, y1: 0, y2: HEIGHT }, picture);
    picture.addEventListener("click", (event) => {
      const frame = picture.getBoundingClientRect();
      go(Math.min(Math.floor(((event.clientX - frame.left) / frame.width) * n), n - 1));
    });
  }

  // ---- details of one token

  function show(token) {
    if (state.token >= 0 && spans[state.token]) spans[state.token].classList.remove("here");
    state.token = token;
    const box = at("details");
    if (token < 0) {
      box.textContent = "Point at a token or tap it. Keys: " + KEYS;
      return;
    }
    spans[token].classList.add("here");
    if (here) { here.setAttribute("x1", token + 0.5); here.setAttribute("x2", token + 0.5); }
    const series = now(), value = shown[token];
    box.replaceChildren();
    make("b", { textContent: number(value) }, box);
    const facts = ["token " + token + " \u201c" + pieces[token].replaceAll("\n", "\u21b5") + "\u201d", series.site];
    if (series.horizon !== null) facts.push(horizonName(series.horizon));
    if (shift()) facts.push("read at token " + (token - shift()));
    if (series.threshold !== null && !Number.isNaN(value)) {
      facts.push((value >= series.threshold ? "at or above" : "below") + " the threshold " + number(series.threshold));
    }
    if (isError(token)) facts.push(shown[token] >= series.threshold ? "false alarm" : "missed");
    if (flags[token] & 1) facts.push("onset");
    else if (flags[token] & 2) facts.push("inside an event");
    for (const fact of facts) box.append(" \u00b7 ", make("span", { textContent: fact }));
  }

  function go(token, block) {
    show(token);
    spans[token].scrollIntoView({ block: block || "center" });
  }

  function jump(step, wanted, what) {
    for (let i = state.token + step; i >= 0 && i < pieces.length; i += step) if (wanted(i)) return go(i);
    at("details").textContent = "No further " + what + (step > 0 ? " behind" : " before") + " this token.";
  }

  function move(list, current, step, key) {
    const next = list[Math.min(Math.max(list.indexOf(current) + step, 0), list.length - 1)];
    choose({ [key]: next });
  }

  const ARROWS = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 20, ArrowUp: -20 };
  const COMMANDS = {
    n: () => jump(1, isOnset, "event"), p: () => jump(-1, isOnset, "event"),
    e: () => jump(1, isError, "error"), E: () => jump(-1, isError, "error"),
    "[": () => move(sites, now().site, -1, "site"), "]": () => move(sites, now().site, 1, "site"),
    ",": () => move(horizons, now().horizon, -1, "horizon"), ".": () => move(horizons, now().horizon, 1, "horizon"),
    s: () => { if (controls.sentences) controls.sentences.click(); },
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT)$/.test(event.target.tagName)) return;
    if (COMMANDS[event.key]) COMMANDS[event.key]();
    else if (ARROWS[event.key] && event.target === at("text")) {
      go(Math.min(Math.max(state.token + ARROWS[event.key], 0), pieces.length - 1), "nearest");
    } else return;
    event.preventDefault();
  });
  for (const kind of ["pointerover", "click"]) {
    at("text").addEventListener(kind, (event) => {
      const span = event.target.closest ? event.target.closest("#text .token") : null;
      if (span) show(Number(span.dataset.i));
    });
  }
  at("controls").addEventListener("submit", (event) => event.preventDefault());
  window.addEventListener("scroll", paintSoon, { passive: true });
  window.addEventListener("resize", paintSoon);
  window.addEventListener("beforeprint", () => paint(true));

  build();
  open(0);
})();
