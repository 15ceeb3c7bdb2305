// The badge's look, as a style sheet object: a policy such as `style-src 'self'` permits it.

const CSS = `
:host { display: inline-block; font: 600 0.875rem/1.3 system-ui, sans-serif; }
.badge {
  display: inline-flex; align-items: center; gap: 0.4em; padding: 0.25em 0.6em; border-radius: 0.5em;
  color: var(--badge-ink); background: var(--badge-paper); border: 1px solid var(--badge-ink);
}
.text:empty, .age:empty { display: none; }
.age { font-weight: 400; }
svg { width: 1.2em; height: 1.2em; flex: none; }
path { fill: none; stroke: currentColor; stroke-width: 2; stroke-linecap: round; stroke-linejoin: round; }
.badge { --badge-ink: #3d4450; --badge-paper: #eceef2; }
.badge[data-state="clear"] { --badge-ink: #0b5130; --badge-paper: #dff5e7; }
.badge[data-state="suspicious"] { --badge-ink: #5c3d00; --badge-paper: #fff0c2; }
.badge[data-state="alert"] { --badge-ink: #ffffff; --badge-paper: #a30f1f; }
.badge[data-state="unjudged"], .badge[data-state="encrypted"], .badge[data-state="stale"] {
  --badge-ink: #243a73; --badge-paper: #e4eafc; border-style: dashed;
}
@media (forced-colors: active) { .badge { border-width: 2px; } }
`;

let made: CSSStyleSheet | undefined;

/** Return the one style sheet that all badges of a page share. */
export function styles(): CSSStyleSheet {
  if (made === undefined) {
    made = new CSSStyleSheet();
    made.replaceSync(CSS);
  }
  return made;
}
