// Draws the map, and tells of the sample that is pointed at, clicked or walked to.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const map = byId("map");
  const n = data.state.length;
  if (!n) return;
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const canDraw = (() => {
    try {
      return Boolean(document.createElement("canvas").getContext("webgl"));
    } catch {
      return false;
    }
  })();
  // marks in three dimensions are letters; plotly's own x is one that few fonts have, \u00d7 is in all
  const LOOKS = {
    kept: { mark: "kept", color: "--kept", flat: "circle", solid: "circle" },
    outlier: { mark: "so", color: "--s-o", flat: "x", solid: "circle", text: "\u00d7" },
    others: [
      { mark: "s2", color: "--s-1", flat: "diamond", solid: "diamond" },
      { mark: "s3", color: "--s-3", flat: "square", solid: "square" },
      { mark: "s4", color: "--s-4", flat: "cross", solid: "diamond-open" },
    ],
  };
  let n_others = 0;
  const looks = data.states.map(({ reason }, at) => {
    if (at === 0) return LOOKS.kept;
    if (reason === "outlier") return LOOKS.outlier;
    return LOOKS.others[Math.min(n_others++, LOOKS.others.length - 1)];
  });
  const members = data.states.map((_, state) =>
    data.state.flatMap((one, place) => (one === state ? [place] : [])),
  );
  // what can be looked at comes first, and first of all where the kept one can be, too
  const blanks = (place) => {
    const shown = [place, data.because_of[place]].filter((one) => one >= 0);
    return shown.filter((one) => !data.pictures[one]).length;
  };
  const walks = members.map((places) => [...places].sort((a, b) => blanks(a) - blanks(b)));
  // from each removed sample to the kept one that stands for it, where both are drawn
  const links = data.because_of.flatMap((kept, place) => (kept >= 0 && kept < n ? [[place, kept]] : []));
  const FEW_LINKS = 300; // more hide what they join
  // what went lies below what stays, and outliers, which are few, above
  const HEIGHTS = { kept: 1, outlier: 2 };
  const upwards = data.states
    .map(({ reason }, state) => ({ state, height: HEIGHTS[reason] ?? 0 }))
    .sort((a, b) => a.height - b.height);
  let lines = links.length <= FEW_LINKS;
  let view = "flat";
  let chosen = null;

  function coordinates(places) {
    const [x, y, z] = data[view].map((axis) => places.map((place) => axis[place]));
    return view === "flat" ? { x, y } : { x, y, z };
  }

  // a path through pairs of points, with a gap after each
  function between(pairs) {
    const axes = data[view].map((axis) =>
      pairs.flatMap(([from, to]) => [axis[from], axis[to], null]),
    );
    return view === "flat" ? { x: axes[0], y: axes[1] } : { x: axes[0], y: axes[1], z: axes[2] };
  }

  function traces() {
    const kind = view === "solid" ? "scatter3d" : canDraw ? "scattergl" : "scatter";
    const small = n > 4000;
    const shown = [
      {
        type: kind, mode: "lines", ...between(lines ? links : []), hoverinfo: "skip",
        line: { color: color("--s-1"), width: 1 }, opacity: small ? 0.2 : 0.45,
      },
    ];
    for (const { state, height } of upwards) {
      const text = view === "solid" ? looks[state].text : undefined;
      shown.push({
        type: kind, mode: text ? "markers+text" : "markers", ...coordinates(members[state]), hoverinfo: "none",
        customdata: members[state], opacity: height ? 0.9 : 0.75,
        marker: {
          color: color(looks[state].color),
          symbol: looks[state][view],
          size: (view === "solid" ? 3 : 6) * (small ? 0.7 : 1) + height,
          ...(text && { opacity: 0.01 }), // what the mouse finds
        },
        ...(text && {
          text, textposition: "middle center", textfont: { color: color(looks[state].color), size: 22, weight: "bold" },
        }),
      });
    }
    shown.push({
      type: kind, mode: "lines", ...between(links.filter((link) => link.includes(chosen))), hoverinfo: "skip",
      line: { color: color("--ink"), width: 2 },
    });
    const at = chosen === null ? [] : [chosen, data.because_of[chosen]].filter((p) => p >= 0 && p < n);
    shown.push({
      type: kind, mode: "markers", ...coordinates(at), hoverinfo: "skip",
      marker: {
        color: color("--ink"), symbol: "circle-open", size: view === "solid" ? 12 : 18,
        line: { color: color("--ink"), width: 3 },
      },
    });
    return shown;
  }

  function layout() {
    const axis = {
      showticklabels: false, zeroline: false, gridcolor: color("--line"), title: { text: "" },
      backgroundcolor: color("--surface"), showspikes: false,
    };
    return {
      uirevision: view, showlegend: false, hovermode: "closest", dragmode: view === "flat" ? "pan" : "orbit",
      margin: { l: 8, r: 8, t: 8, b: 8 }, font: { color: color("--ink") },
      paper_bgcolor: color("--surface"), plot_bgcolor: color("--surface"),
      xaxis: axis, yaxis: { ...axis, scaleanchor: "x" },
      scene: {
        xaxis: axis, yaxis: axis, zaxis: axis, aspectmode: "cube", uirevision: "solid",
        camera: { eye: { x: 0.95, y: 0.95, z: 0.7 } },
      },
    };
  }

  async function draw() {
    if (view === "solid" && !canDraw) {
      Plotly.purge(map);
      map.textContent = "This browser draws nothing in three dimensions: it has no WebGL.";
      return;
    }
    await Plotly.react(map, traces(), layout(), {
      displaylogo: false, responsive: true, scrollZoom: true,
      modeBarButtonsToRemove: ["select2d", "lasso2d", "toImage", "resetCameraLastSave3d"],
    });
  }

  const told = (tag, text, className = "") =>
    Object.assign(document.createElement(tag), { textContent: text, className });

  function face(place) {
    const uri = data.pictures[place];
    if (uri) {
      return Object.assign(document.createElement("img"), { src: uri, alt: `Sample ${data.ids[place]}` });
    }
    const text = data.texts?.[place];
    if (text !== null && text !== undefined) return told("p", text, "text");
    return told("div", "no picture in this file", "blank");
  }

  const number = (value) =>
    value > 5e-7 && value < 1e-3 ? "<0.001" : String(Number(value.toPrecision(3)));

  function tell(place) {
    const { reason } = data.states[data.state[place]];
    const parts = [told("h3", data.ids[place]), face(place)];
    const score = data.score[place];
    if (reason === "kept") parts.push(told("p", "Kept."));
    else parts.push(told("p", `Removed: ${reason}${score === null ? "" : `, score ${number(score)}`}.`));
    const kept = data.because_of[place];
    if (kept >= 0) {
      const distance = data.distance[place];
      parts.push(
        told("p", `This one stands for it${distance === null ? "" : `, at distance ${number(distance)}`}:`),
        face(kept),
        told("p", data.ids[kept], "code"),
      );
    }
    byId("sample").replaceChildren(...parts);
  }

  async function choose(place) {
    chosen = place;
    tell(place);
    await draw();
  }

  function walk(step) {
    const places = walks[Number(byId("walk").value)];
    if (!places.length) return;
    const at = places.indexOf(chosen);
    const next = at < 0 ? (step > 0 ? 0 : places.length - 1) : at + step;
    choose(places[(next + places.length) % places.length]);
  }

  function begin() {
    byId("controls").hidden = false;
    map.hidden = false;
    data.states.forEach(({ name, reason }, state) => {
      const said = state === 0 ? "kept" : name === reason ? reason : `${reason} (${name})`;
      const count = members[state].length.toLocaleString("en");
      const item = told("li", "");
      item.append(told("span", "", `mark ${looks[state].mark}`), `${said}, ${count}`);
      byId("legend").append(item);
      const option = told("option", said);
      option.value = state;
      byId("walk").append(option);
    });
    byId("walk").value = String(Math.max(0, members.findIndex((one, at) => at > 0 && one.length)));
    byId("previous").addEventListener("click", () => walk(-1));
    byId("next").addEventListener("click", () => walk(1));
    byId("lines").hidden = !links.length;
    byId("lines").setAttribute("aria-pressed", String(lines));
    byId("lines").addEventListener("click", async () => {
      lines = !lines;
      byId("lines").setAttribute("aria-pressed", String(lines));
      await draw();
    });
    for (const button of document.querySelectorAll("[data-view]")) {
      button.addEventListener("click", async () => {
        view = button.dataset.view;
        for (const one of document.querySelectorAll("[data-view]"))
          one.setAttribute("aria-pressed", String(one === button));
        Plotly.purge(map);
        await draw();
        listen();
      });
    }
    dark.addEventListener("change", draw);
  }

  // plotly forgets who listens when a map is purged
  function listen() {
    const placeOf = ({ points }) => points.find(({ customdata }) => customdata !== undefined)?.customdata;
    map.on?.("plotly_hover", (event) => {
      const place = placeOf(event);
      if (place !== undefined) tell(place);
    });
    map.on?.("plotly_unhover", () => chosen !== null && tell(chosen));
    map.on?.("plotly_click", (event) => {
      const place = placeOf(event);
      if (place !== undefined) choose(place);
    });
  }

  begin();
  draw().then(() => {
    listen();
    map.dataset.drawn = String(n);
  });
})();
