// The charts: the flow from entry to completion with its losses, the funnel, the little curves. Colours follow the page's.
import { say, t } from "../shared/i18n.js";

const SVG = "http://www.w3.org/2000/svg";
const CONFIG = { displayModeBar: false, responsive: true };

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const order = (map) => new Map(map.steps.map((step, index) => [step.id, index]));

function layout(more) {
  return {
    margin: { l: 8, r: 8, t: 8, b: 8 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: getComputedStyle(document.body).fontFamily, size: 13, color: colour("ink") },
    hoverlabel: { font: { family: getComputedStyle(document.body).fontFamily } },
    ...more,
  };
}

function seeThrough(hex, share) {
  const value = parseInt(hex.slice(1), 16);
  return `rgba(${value >> 16}, ${(value >> 8) & 255}, ${value & 255}, ${share})`;
}

/** Who of those that broke off at a step stayed away, as far as the window shows. */
export const lostAt = (step) => Math.max(0, step.abandoned - step.returned);

/** The moves of a map with the places of their steps; before the first step is -1. */
function movesOf(map) {
  const places = order(map);
  const placed = map.moves.map((move) => ({ from: move.from === "" ? -1 : places.get(move.from), to: places.get(move.to), count: move.count }));
  return placed.filter(({ from, to }) => from !== undefined && to !== undefined);
}

/** Nodes and links: entry, steps, and beside each step those who were lost there. Who went back and on again nets out. */
export function flowOf(map) {
  const places = order(map);
  const nodes = [{ label: t("node.start"), kind: "start" }, ...map.steps.map((step) => ({ label: say(step.title), kind: step.final ? "final" : "step" }))];
  const links = [];
  const link = (from, to, count, kind) => count > 0 && links.push({ from, to, count, kind });
  for (const step of map.steps) link(0, places.get(step.id) + 1, step.started, "on");
  let back = 0;
  const between = new Map();
  for (const { from, to, count } of movesOf(map)) {
    const pair = `${Math.min(from, to)} ${Math.max(from, to)}`;
    between.set(pair, (between.get(pair) ?? 0) + (to > from ? count : -count));
    if (to < from) back += count;
  }
  for (const [pair, count] of between) {
    const [from, to] = pair.split(" ").map(Number);
    link(from + 1, to + 1, count, "on");
  }
  for (const step of map.steps) {
    const lost = lostAt(step);
    for (const [count, label, kind] of [[lost, t("node.lost", { n: lost }), "lost"], [step.cancelled, t("node.cancelled"), "cancelled"]]) {
      if (count <= 0) continue;
      nodes.push({ label, kind });
      link(places.get(step.id) + 1, nodes.length - 1, count, kind);
    }
  }
  return { nodes, links, back };
}

/** As much of a title as its column has room for; a number where that is nothing. */
function short(label, room, place) {
  const isChinese = /[\u4e00-\u9fff]/.test(label);
  const letters = Math.floor(room / (isChinese ? 14 : 7.5));
  if (letters < (isChinese ? 3 : 4)) return String(place);
  return label.length <= letters ? label : `${label.slice(0, letters - 1)}…`;
}

export function drawFlow(element, map) {
  const { nodes, links, back } = flowOf(map);
  const used = new Set(links.flatMap((each) => [each.from, each.to]));
  const kept = nodes.map((node, index) => ({ ...node, index })).filter((node) => used.has(node.index));
  const place = new Map(kept.map((node, index) => [node.index, index]));
  const room = element.clientWidth / (map.steps.length + 1) - 16;
  const last = map.steps.length - (map.steps.at(-1).final ? 1 : 0);
  const shades = { start: colour("jade"), step: colour("jade"), final: colour("jade-deep"), lost: colour("red-line"), cancelled: colour("calm-line"), on: colour("jade") };
  const trace = {
    type: "sankey",
    arrangement: "snap",
    node: {
      align: "left",
      pad: 18,
      thickness: 14,
      label: kept.map((node) => (node.kind === "step" ? short(node.label, node.index === last ? room / 2 : room, node.index) : node.label)),
      customdata: kept.map((node) => node.label),
      color: kept.map((node) => shades[node.kind]),
      line: { width: 0 },
      hovertemplate: "%{customdata}: %{value}<extra></extra>",
    },
    link: {
      source: links.map((each) => place.get(each.from)),
      target: links.map((each) => place.get(each.to)),
      value: links.map((each) => each.count),
      color: links.map((each) => seeThrough(shades[each.kind], each.kind === "lost" ? 0.55 : 0.28)),
      hovertemplate: "%{source.customdata} → %{target.customdata}: %{value}<extra></extra>",
    },
  };
  if (links.length) Plotly.react(element, [trace], layout({}), CONFIG);
  else Plotly.purge(element);
  element.dataset.links = JSON.stringify(links.map(({ count, kind, from, to }) => [nodes[from].label, nodes[to].label, count, kind]));
  return back;
}

/** How many came to each step or beyond, less those who went back before it. */
export function funnelOf(map) {
  const moves = movesOf(map);
  return map.steps.map((step, place) => {
    const began = map.steps.slice(place).reduce((sum, each) => sum + each.started, 0);
    const crossed = moves.reduce((sum, { from, to, count }) => sum + (from < place && to >= place ? count : from >= place && to < place ? -count : 0), 0);
    return { label: say(step.title), count: began + crossed };
  });
}

export function drawFunnel(element, map) {
  const steps = funnelOf(map);
  const trace = {
    type: "funnel",
    y: steps.map((step) => step.label),
    x: steps.map((step) => step.count),
    textinfo: "value+percent initial",
    textfont: { color: colour("on-jade") },
    marker: { color: colour("jade") },
    connector: { fillcolor: seeThrough(colour("jade"), 0.16), line: { width: 0 } },
    hovertemplate: "%{y}: %{x}<extra></extra>",
  };
  const axes = { yaxis: { automargin: true, fixedrange: true }, xaxis: { fixedrange: true, visible: false } };
  Plotly.react(element, [trace], layout({ ...axes, margin: { l: 8, r: 16, t: 4, b: 4 }, showlegend: false }), CONFIG);
  element.dataset.counts = JSON.stringify(steps.map((step) => step.count));
}

/** A little curve of a window's numbers; for eyes only, the number stands beside it. */
export function sparkline(numbers) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 100 28");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("class", "spark");
  svg.setAttribute("aria-hidden", "true");
  const most = Math.max(1, ...numbers);
  const step = 100 / Math.max(1, numbers.length - 1);
  const points = numbers.map((number, index) => `${(index * step).toFixed(1)},${(26 - (number / most) * 24).toFixed(1)}`);
  const line = document.createElementNS(SVG, "polyline");
  line.setAttribute("points", points.join(" "));
  svg.append(line);
  return svg;
}
