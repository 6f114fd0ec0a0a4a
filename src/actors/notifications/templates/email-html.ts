import { PICTURE_HEIGHT, PICTURE_WIDTH } from './curve-picture.ts';
import { markup, Markup } from './markup.ts';
import type { ContentAlert, ContentCurve, ContentSection, MessageContent, Tone } from './message-content.ts';

/**
 * The HTML part of an e-mail: tables and inline styles, which is what every mail program understands; a style sheet adds the dark colours and the narrow width where it is read. Nothing is loaded from
 * anywhere: the picture is in the mail.
 */

/** The picture's name in the HTML. */
export const CURVE_CID = 'curve@smart-energy-grid';

const FONT = 'font-family:Segoe UI,Roboto,Helvetica,Arial,sans-serif;';

/** White letters on each are read at 4.5 to 1 and better. */
const TONE_COLOR: Readonly<Record<Tone, string>> = { CRITICAL: '#c8251b', WARN: '#a84a00', INFO: '#1f66a6', resolved: '#1a7544', test: '#56636f' };

const STYLE = `
:root{color-scheme:light dark;supported-color-schemes:light dark}
@media (prefers-color-scheme:dark){
.ground{background:#0d1317!important}.card{background:#141c21!important;border-color:#253139!important}
.text{color:#dbe4ea!important}.muted{color:#9aa8b2!important}.line{border-color:#253139!important}.link{color:#6fc3e8!important}}
@media (max-width:520px){.edge{padding-left:14px!important;padding-right:14px!important}.outer{padding:0!important}.card{border-radius:0!important}}`;

export function emailHtml(content: MessageContent, language: string): string {
  const { headline, tone, note, sections, more, curve, footer, unsubscribe } = content;
  const rows = [
    bannerRow(headline.badge, headline.text, tone),
    ...(note === null ? [] : [paragraphRow(note)]),
    // The curve is what the first glance is for; of a digest it belongs to the first section.
    ...sections.flatMap((section, i) => [...sectionRows(section, i), ...(i === 0 && curve !== null ? [curveRow(curve)] : [])]),
    ...(more === null ? [] : [mutedRow(more)]),
    footerRow(footer, unsubscribe),
  ];
  const document = markup`<html lang="${language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark"><meta name="supported-color-schemes" content="light dark"><title>${headline.badge}: ${headline.text}</title><style>${new Markup(STYLE)}</style></head>
<body class="ground" style="margin:0;padding:0;background:#eef1f4;">
<table role="presentation" class="ground" width="100%" cellpadding="0" cellspacing="0" border="0" style="background:#eef1f4;"><tr><td class="outer" align="center" style="padding:20px 10px;">
<table role="presentation" class="card" width="100%" cellpadding="0" cellspacing="0" border="0" style="max-width:600px;background:#ffffff;border:1px solid #d9e0e6;border-radius:8px;border-collapse:separate;overflow:hidden;">
${rows}</table>
</td></tr></table>
</body></html>
`;
  return `<!doctype html>\n${document.html}`;
}

function bannerRow(badge: string, text: string, tone: Tone): Markup {
  return markup`<tr><td class="edge" bgcolor="${TONE_COLOR[tone]}" style="${FONT}background:${TONE_COLOR[tone]};color:#ffffff;padding:16px 24px;"><div style="font-size:13px;font-weight:700;letter-spacing:.06em;">${badge}</div><h1 style="margin:4px 0 0;font-size:19px;line-height:26px;font-weight:600;overflow-wrap:anywhere;">${text}</h1></td></tr>
`;
}

function sectionRows(section: ContentSection, position: number): Markup[] {
  const { headline, tone, alerts, isBrief, more } = section;
  const isFirst = (i: number) => position === 0 && headline === null && i === 0;
  return [
    ...(headline === null
      ? []
      : [
          markup`<tr><td class="edge text line" style="${FONT}padding:18px 24px 0;color:#16202a;${position === 0 ? '' : 'border-top:1px solid #d9e0e6;'}"><h2 style="margin:0;font-size:16px;line-height:22px;overflow-wrap:anywhere;">${badge(headline.badge, tone)} ${headline.text}</h2></td></tr>
`,
        ]),
    ...alerts.map((alert, i) => alertRow(alert, isBrief, headline !== null || isFirst(i))),
    ...(more === null ? [] : [mutedRow(more)]),
  ];
}

function alertRow({ title, description, badge: severity, tone, rows, link }: ContentAlert, isBrief: boolean, isWithoutLine: boolean): Markup {
  const facts = isBrief ? briefFacts(rows) : factsTable(rows);
  return markup`<tr><td class="edge text line" style="${FONT}padding:14px 24px;color:#16202a;${isWithoutLine ? '' : 'border-top:1px solid #e3e8ec;'}">${title === null ? null : markup`<div style="font-size:16px;line-height:22px;font-weight:600;overflow-wrap:anywhere;">${badge(severity, tone)} ${title}</div>`}${description === '' ? null : markup`<div style="font-size:14px;line-height:20px;padding-top:4px;overflow-wrap:anywhere;">${description}</div>`}${facts}${link === null ? null : markup`<div style="padding-top:10px;font-size:14px;line-height:20px;"><a class="link" href="${link.url}" style="color:#1668a8;font-weight:600;">${link.text}</a></div>`}</td></tr>
`;
}

function factsTable(rows: ContentAlert['rows']): Markup {
  const lines = rows.map(
    ({ label, value }) =>
      markup`<tr><td class="muted" valign="top" style="${FONT}font-size:14px;line-height:20px;color:#56636f;padding:1px 16px 1px 0;white-space:nowrap;">${label}</td><td class="text" valign="top" style="${FONT}font-size:14px;line-height:20px;color:#16202a;padding:1px 0;overflow-wrap:anywhere;">${value}</td></tr>`,
  );
  return markup`<table role="presentation" cellpadding="0" cellspacing="0" border="0" style="margin-top:8px;">${lines}</table>`;
}

function briefFacts(rows: ContentAlert['rows']): Markup {
  return markup`<div class="muted" style="font-size:13px;line-height:18px;color:#56636f;padding-top:4px;overflow-wrap:anywhere;">${rows.map(({ label, value }) => `${label}: ${value}`).join(' · ')}</div>`;
}

function badge(text: string, tone: Tone): Markup {
  return markup`<span style="display:inline-block;background:${TONE_COLOR[tone]};color:#ffffff;font-size:11px;line-height:16px;font-weight:700;letter-spacing:.04em;padding:1px 6px;border-radius:4px;vertical-align:2px;">${text}</span>`;
}

/** The values at its edges stand beside the picture at whatever size it is shown, the times below it. */
function curveRow({ title, facts, high, low, from, to }: ContentCurve): Markup {
  const label = new Markup(`class="muted" style="${FONT}font-size:12px;line-height:14px;color:#56636f;white-space:nowrap;`);
  return markup`<tr><td class="edge text line" style="${FONT}padding:14px 24px;color:#16202a;border-top:1px solid #e3e8ec;"><div style="font-size:14px;line-height:20px;font-weight:600;">${title}</div><div class="muted" style="font-size:13px;line-height:18px;color:#56636f;padding-bottom:8px;">${facts.join('; ')}</div><table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0"><tr><td ${label}padding-right:8px;" align="right" valign="top" width="1">${high}</td><td colspan="2" rowspan="2" style="line-height:0;"><img src="cid:${CURVE_CID}" width="${PICTURE_WIDTH}" height="${PICTURE_HEIGHT}" alt="${title}: ${facts.join('; ')}" style="display:block;width:100%;max-width:${PICTURE_WIDTH}px;height:auto;border:0;"></td></tr><tr><td ${label}padding-right:8px;" align="right" valign="bottom" width="1">${low}</td></tr><tr><td></td><td ${label}padding-top:4px;" align="left">${from}</td><td ${label}padding-top:4px;" align="right">${to}</td></tr></table></td></tr>
`;
}

function paragraphRow(text: string): Markup {
  return markup`<tr><td class="edge text" style="${FONT}padding:16px 24px;font-size:15px;line-height:22px;color:#16202a;">${text}</td></tr>
`;
}

function mutedRow(text: string): Markup {
  return markup`<tr><td class="edge muted" style="${FONT}padding:0 24px 14px;font-size:14px;line-height:20px;color:#56636f;">${text}</td></tr>
`;
}

function footerRow(lines: readonly string[], unsubscribe: MessageContent['unsubscribe']): Markup {
  const link = unsubscribe === null ? null : markup`<div><a class="link" href="${unsubscribe.link}" style="color:#1668a8;">${unsubscribe.text}</a></div>`;
  return markup`<tr><td class="edge muted line" style="${FONT}padding:14px 24px 18px;font-size:12px;line-height:18px;color:#56636f;border-top:1px solid #e3e8ec;overflow-wrap:anywhere;">${lines.map((line) => markup`<div>${line}</div>`)}${link}</td></tr>
`;
}
