//! How the page looks: light, dark, and on paper.

use super::diagram::{DARK, LIGHT};

const PLAIN: &str = "
:root{--paper:#fff;--ink:#15202b;--quiet:#55606e;--line:#d5dbe1;--fill:#f4f6f8;--link:#0b5cad;--good:#0a6b3f;--bad:#b3261e;--care:#8a5a00;--all:#d5f0e6;--some:#e7f1fb}
@media screen and (prefers-color-scheme:dark){:root{--paper:#11161c;--ink:#e6edf3;--quiet:#9aa7b4;--line:#313b46;--fill:#1a2129;--link:#6fb1f5;--good:#4fcf8f;--bad:#ff8a80;--care:#e5b85c;--all:#0e3d30;--some:#16293d}}
*{box-sizing:border-box}
html{background:var(--paper);color:var(--ink);font:15px/1.45 system-ui,-apple-system,\"Segoe UI\",Roboto,\"Liberation Sans\",\"DejaVu Sans\",sans-serif}
body{margin:0 auto;padding:24px 28px 64px;max-width:1500px}
h1{font-size:26px;margin:0 0 8px;overflow-wrap:anywhere}
h2{font-size:19px;margin:36px 0 8px;padding-top:6px;border-top:2px solid var(--line)}
h3{font-size:16px;margin:22px 0 6px}
p,ul{max-width:90ch;margin:8px 0}
nav{display:flex;flex-wrap:wrap;gap:4px 16px;font-size:14px}
a{color:var(--link);text-decoration:none}
a:hover{text-decoration:underline}
code{font:13px/1.4 ui-monospace,\"DejaVu Sans Mono\",\"Liberation Mono\",Menlo,monospace;background:var(--fill);padding:1px 4px;border-radius:3px;white-space:nowrap}
.scroll{overflow-x:auto;margin:10px 0}
table{border-collapse:collapse;font-size:14px}
th,td{border:1px solid var(--line);padding:5px 9px;text-align:left;vertical-align:top}
thead th{background:var(--fill)}
tbody th{background:var(--fill);white-space:nowrap}
td{overflow-wrap:break-word;max-width:60ch}
tr:target td,tr:target th{outline:2px solid var(--link)}
.quiet,.unasked,.none{color:var(--quiet)}
.reach td{min-width:8ch}
.reach thead th{white-space:nowrap}
.reach .all{background:var(--all)}
.reach .some{background:var(--some)}
.none{text-align:center}
.ref{font-size:11px;vertical-align:super}
.badge{font-weight:700}
.good{color:var(--good)}
.bad{color:var(--bad)}
.care{color:var(--care)}
.grid{font-size:12px}
.grid th,.grid td{padding:1px 3px;text-align:center;line-height:1.3}
.grid tbody th{text-align:left;padding:1px 8px}
.grid td{min-width:20px;font-weight:700}
.grid td a{color:inherit;display:block}
.grid .turned{vertical-align:bottom;padding:6px 2px}
.grid .turned span{writing-mode:vertical-rl;transform:rotate(180deg);white-space:nowrap}
.grid tbody tr:nth-child(5n) td,.grid tbody tr:nth-child(5n) th{border-bottom-color:var(--quiet)}
.letter{font-weight:700;text-align:center}
figure{margin:10px 0;overflow-x:auto}
figure svg{display:block;max-width:max(100%,1400px);height:auto}
@media print{html{font-size:10px}body{max-width:none;padding:0}nav{display:none}table{font-size:9px}code{font-size:9px;background:none;padding:0}.grid{font-size:6px}.grid td{min-width:0}.scroll,figure{overflow:visible}h2{break-after:avoid}tr{break-inside:avoid}thead{display:table-header-group}figure{break-inside:avoid}figure svg{max-width:100%;max-height:175mm}a{color:inherit}*{print-color-adjust:exact}@page{size:landscape;margin:12mm}}
";

pub(super) fn style() -> String {
    let classes = |hues: &[(&str, &str)]| -> String {
        hues.iter().enumerate().map(|(at, (_, area))| format!(".c{at}{{background:{area}}}")).collect()
    };
    format!("{PLAIN}{}\n@media screen and (prefers-color-scheme:dark){{{}}}\n", classes(&LIGHT), classes(&DARK))
}
