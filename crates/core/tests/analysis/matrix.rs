use segwall_core::analysis::{Matrix, matrix};

use crate::{BRANCH, TUTORIAL, noon, sound};

fn table(matrix: &Matrix) -> String {
    matrix.cells.iter().map(|cell| format!("{} > {}: {}\n", cell.from, cell.to, cell.text)).collect()
}

#[test]
fn the_tutorial() {
    let (policy, ruleset) = sound(TUTORIAL);
    insta::assert_snapshot!(table(&matrix(&policy, &ruleset, noon())), @r"
    dmz > internet: dns, http, https, ntp
    internal > dmz: ping, http, https
    internal > server: mysql, postgresql; dns → resolver
    internal > internet: everything
    server > internet: dns, http, https, ntp
    management > dmz: everything
    management > internal: everything
    management > server: everything
    management > guest: everything
    management > internet: everything
    management > gateway: ssh
    guest > internet: everything
    internet > dmz: http, https → web (forwarded)
    ");
}

#[test]
fn the_branch() {
    let (policy, ruleset) = sound(BRANCH);
    insta::assert_snapshot!(table(&matrix(&policy, &ruleset, noon())), @r"
    admin > staff: everything
    admin > plant: everything
    admin > server: everything
    admin > visitor: everything
    admin > internet: everything
    admin > gateway: ping, tcp/2222
    staff > plant: rejected: everything
    staff > server: https, erp; smb → files; from scanner: ftp, tcp/30000-30100 → files, but not tcp/9005, udp
    staff > internet: everything, but not smtp, tcp/135-139, everything → 198.51.100.128/25
    plant > server: from controllers: ftp, tftp → files (limited)
    server > staff: ipp, tcp/9100 → printers (scheduled)
    server > plant: ping, plc, modbus → controllers
    server > internet: https, esp → partners
    visitor > internet: everything, but not smtp, tcp/135-139, everything → 198.51.100.128/25, udp/3478-3481 (scheduled, not now)
    visitor > gateway: http-alt (limited)
    internet > server: https → portal (forwarded); from partners: ssh → files (forwarded)
    ");
}
