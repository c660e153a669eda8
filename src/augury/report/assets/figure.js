"use strict";
(function () {
  const figure = JSON.parse(document.getElementById("data").textContent);
  const target = document.getElementById("figure");
  const dark = window.matchMedia("(prefers-color-scheme: dark)");

  function inked() {
    const ink = dark.matches ? "#ececec" : "#1a1a1a";
    const layout = JSON.parse(JSON.stringify(figure.layout));
    layout.height = figure.height;
    layout.font.color = ink;
    for (const key of Object.keys(layout)) {
      if (/^[xy]axis\d*$/.test(key)) layout[key].linecolor = ink;
    }
    return layout;
  }

  // Dark blue lines vanish on a dark page; a lighter tint of the same hue does not.
  function tinted() {
    const data = JSON.parse(JSON.stringify(figure.data));
    if (!dark.matches) return data;
    for (const trace of data) {
      for (const part of [trace.line, trace.type === "bar" ? trace.marker : null]) {
        if (part && /^#[0-9a-f]{6}$/i.test(part.color || "")) part.color = lighter(part.color);
      }
    }
    return data;
  }

  function lighter(colour) {
    const parts = [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16));
    const glow = (0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]) / 255;
    const share = Math.max(0, 0.5 - glow);
    return "#" + parts.map((p) => Math.round(p + (255 - p) * share).toString(16).padStart(2, "0")).join("");
  }

  function draw() {
    Plotly.react(target, tinted(), inked(), figure.config);
  }

  draw();
  dark.addEventListener("change", draw);
})();
