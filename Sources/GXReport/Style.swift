/// How the page looks: on a phone, on a desk, by day and night, and on paper.
let style: HTML = """
  :root { --back: #ffffff; --ink: #1b1f24; --muted: #59636e; --line: #dfe3e8; --card: #f6f7f9; --accent: #0072b2; }
  @media screen and (prefers-color-scheme: dark) {
    :root { --back: #14171c; --ink: #e8eaed; --muted: #a0a8b3; --line: #2c323a; --card: #1c2026; --accent: #56b4e9; }
  }
  * { box-sizing: border-box; }
  body { margin: 0 auto; padding: 1rem; max-width: 60rem; background: var(--back); color: var(--ink);
    font: 1rem/1.5 "DejaVu Sans", Verdana, system-ui, sans-serif; overflow-wrap: anywhere; }
  h1 { font-size: 1.6rem; line-height: 1.25; margin: .5rem 0; }
  h2 { font-size: 1.2rem; margin: 2.5rem 0 .75rem; padding-top: .75rem; border-top: 1px solid var(--line); }
  h3 { font-size: .9rem; margin: .5rem 0 0; }
  p { margin: .5rem 0; max-width: 46rem; }
  a { color: var(--accent); }
  .lead { font-size: 1.1rem; }
  .note { border-left: 4px solid var(--accent); padding: .25rem .75rem; background: var(--card); }
  .muted, footer { color: var(--muted); font-size: .875rem; }
  nav { display: flex; flex-wrap: wrap; gap: .25rem 1rem; font-size: .9rem; }
  .scroll { overflow-x: auto; margin: 1rem 0; }
  .tables { display: flex; flex-wrap: wrap; gap: 0 3rem; }
  table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
  th, td { text-align: left; vertical-align: top; padding: .3rem .75rem .3rem 0; border-bottom: 1px solid var(--line);
    font-weight: normal; font-size: .9rem; }
  thead th { color: var(--muted); white-space: nowrap; }
  th, td { overflow-wrap: break-word; }
  tbody th { max-width: 13rem; }
  small { display: block; color: var(--muted); }
  .n { text-align: right; white-space: nowrap; }
  .facts th { color: var(--muted); }
  .facts td { overflow-wrap: anywhere; }
  pre { white-space: pre-wrap; background: var(--card); padding: .75rem; font-size: .8rem; }
  figure { margin: 0; }
  .chart { margin: 1rem 0; }
  .chart svg { display: block; width: 100%; height: auto; }
  .chart div { display: none; }
  .cards { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 26rem), 1fr)); }
  article { background: var(--card); padding: .75rem; border-radius: 6px; break-inside: avoid; font-size: .9rem; }
  article p { margin: .1rem 0; }
  .pictures { display: grid; grid-template-columns: repeat(3, 1fr); gap: .5rem; }
  .pictures img { display: block; width: 100%; height: auto; border-radius: 3px; }
  figcaption { font-size: .75rem; color: var(--muted); line-height: 1.3; margin-top: .2rem; }
  .bars { width: 100%; margin-top: .3rem; }
  .bars td { border: 0; padding: 0 .5rem 0 0; font-size: .8rem; white-space: nowrap; }
  .bars td:first-child { min-width: 6rem; max-width: 9rem; overflow: hidden; text-overflow: ellipsis; }
  .bars .bar { width: 100%; vertical-align: middle; }
  .bars span { display: block; height: .5rem; min-width: 1px; background: var(--accent); border-radius: 2px; }
  @media screen and (min-width: 640px) {
    .wide.light { display: block !important; }
  }
  @media screen and (max-width: 639.98px) {
    th, td { padding-right: .5rem; }
    .narrow.light { display: block !important; }
  }
  @media screen and (prefers-color-scheme: dark) and (min-width: 640px) {
    .wide.light { display: none !important; } .wide.dark { display: block !important; }
  }
  @media screen and (prefers-color-scheme: dark) and (max-width: 639.98px) {
    .narrow.light { display: none !important; } .narrow.dark { display: block !important; }
  }
  @media print {
    body { max-width: none; padding: 0; font-size: 10pt; }
    nav, footer { display: none; }
    .cards { grid-template-columns: 1fr 1fr; }
    .wide.light { display: block !important; }
    .chart, tr, pre { break-inside: avoid; }
    h2 { break-after: avoid; }
    article, .note, pre { border: 1px solid var(--line); }
    * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  }
  """
