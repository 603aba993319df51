"""How the page looks: on a screen by day and by night, and on paper."""

from __future__ import annotations

CSS = """\
:root {
  color-scheme: light dark;
  --paper: #fbfaf7; --card: #ffffff; --ink: #1d2330; --soft: #5b6475; --line: #e3e0d8;
  --accent: #2f5d8a; --bar: #7fa3c4; --good: #22683f; --good-bg: #e5f3ea;
  --bad: #9b2226; --bad-bg: #fbe9e7;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14171d; --card: #1b2028; --ink: #e7e9ee; --soft: #9aa4b5; --line: #2d3440;
    --accent: #8ab4dd; --bar: #4f7ba5; --good: #8fd6aa; --good-bg: #173324;
    --bad: #f2a19c; --bad-bg: #3d1f1f;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
}
main { max-width: 68rem; margin: 0 auto; padding: 2.5rem 1.5rem 4rem; }
header { border-bottom: 3px solid var(--accent); padding-bottom: 1.2rem; }
header p { margin: 0; color: var(--soft); }
h1 { margin: 0; font-size: 1.9rem; line-height: 1.2; overflow-wrap: anywhere; }
h2 { margin: 2.6rem 0 .7rem; font-size: 1.2rem; }
h2 small { font-weight: 400; color: var(--soft); font-size: .9rem; margin-left: .4rem; }
p.note { color: var(--soft); margin: .3rem 0 .8rem; max-width: 46rem; }
.verdict {
  margin: 1.4rem 0; padding: .8rem 1rem; border-radius: .5rem; border-left: 5px solid;
  color: var(--good); background: var(--good-bg); font-weight: 600;
}
.verdict.bad { color: var(--bad); background: var(--bad-bg); }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: .7rem; }
.facts div {
  background: var(--card); border: 1px solid var(--line); border-radius: .5rem;
  padding: .7rem .9rem;
}
.facts b { display: block; font-size: 1.6rem; line-height: 1.25; font-weight: 650; }
.facts span { color: var(--soft); font-size: .85rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .3rem 1.2rem; margin: 1rem 0; }
dt { color: var(--soft); }
dd { margin: 0; min-width: 0; overflow-wrap: anywhere; }
table { width: 100%; border-collapse: collapse; background: var(--card); font-size: .92rem; }
th, td { padding: .45rem .7rem; border-bottom: 1px solid var(--line); vertical-align: top; }
th {
  text-align: left; color: var(--soft); font-weight: 600; font-size: .82rem; white-space: nowrap;
  border-bottom: 2px solid var(--line);
}
td { overflow-wrap: anywhere; }
td:nth-child(2):not(.n) { min-width: 8.5rem; }
.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.t { white-space: nowrap; }
td small { display: block; color: var(--soft); }
tr.bad td { color: var(--bad); }
code { font: .88em/1.45 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
pre {
  background: var(--card); border: 1px solid var(--line); border-radius: .5rem;
  padding: .8rem 1rem; white-space: pre-wrap; overflow-wrap: anywhere;
}
svg { display: block; width: 12rem; height: 1.7rem; fill: var(--bar); }
.share { width: 8rem; }
.share i {
  display: block; height: .55rem; margin-top: .45rem; border-radius: .2rem;
  background: var(--accent);
}
.groups { table-layout: fixed; min-width: 52rem; }
.groups th:nth-child(2) { width: 6.5rem; }
.groups th:nth-child(3) { width: 9rem; }
.groups th:nth-child(4), .groups th:nth-child(5) { width: 5.5rem; }
.groups th:nth-child(6) { width: 13.5rem; }
.wide { overflow-x: auto; border: 1px solid var(--line); border-radius: .5rem; }
.wide tr:last-child td { border-bottom: 0; }
footer {
  margin-top: 3rem; border-top: 1px solid var(--line); padding-top: 1rem; color: var(--soft);
}
@media print {
  @page { size: A4; margin: 16mm 14mm; }
  :root {
    color-scheme: light;
    --paper: #fff; --card: #fff; --ink: #000; --soft: #444; --line: #bbb;
    --accent: #2f5d8a; --bar: #7fa3c4; --good: #14532d; --good-bg: #fff;
    --bad: #8b1a1a; --bad-bg: #fff;
  }
  body { font-size: 10pt; }
  main { max-width: none; padding: 0; }
  h1 { font-size: 18pt; }
  h2 { break-after: avoid; margin-top: 8mm; }
  p.note { break-after: avoid; }
  thead { display: table-header-group; }
  tr, .facts div, .verdict, pre { break-inside: avoid; }
  .wide { overflow: visible; border: 0; }
  .groups { min-width: 0; }
  .groups th:nth-child(2) { width: 18mm; }
  .groups th:nth-child(3) { width: 18mm; }
  .groups th:nth-child(4), .groups th:nth-child(5) { width: 15mm; }
  .groups th:nth-child(6) { width: 36mm; }
  .share { width: 100%; }
  svg, .share i, .verdict { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  svg { width: 32mm; height: 5mm; }
  .facts { grid-template-columns: repeat(6, 1fr); gap: 2mm; }
  .facts b { font-size: 14pt; }
  th, td { padding: 1.2mm 1.6mm; }
}
"""
