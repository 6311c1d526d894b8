//! From verdicts about new connections to matrices.

use segwall_packetset::{Cube, Family, Field, GaveUp, Set, Space};

use super::classes::classes;
use super::{FAMILIES, HOOKS, ServiceMatrix, TRANSLATED_MAX};
use crate::analysis::explain_ends::{Misunderstood, read_service};
use crate::analysis::openings::{Ask, Openings, of_policy, of_programs};
use crate::analysis::proof::terms::{family_number, of_service};
use crate::analysis::sets::{Naming, UNASKED, box_itself, box_words, first_packets, readable, untranslated};
use crate::netfilter::{Program, TableFamily};
use crate::policy::{NamedService, Service};
use crate::ruleset::{At, Ruleset};

/// What a matrix does not tell apart.
const HIDDEN: [Field; 22] = {
    let mut hidden = [Field::Family; 22];
    let (mut at, mut next) = (0, 0);
    while at < Field::COUNT {
        let field = Field::ALL[at];
        if !matches!(field, Field::In | Field::Out | Field::Src | Field::Dst) {
            hidden[next] = field;
            next += 1;
        }
        at += 1;
    }
    hidden
};

/// A service with the word that asked for it.
pub type Asked = (String, Vec<Service>);

/// The services that words such as `tcp/22,https` ask for, each by itself. `own`: those that a policy names.
///
/// # Errors
/// When a word is no service, or all services are asked for, which no matrix shows.
pub fn asked(words: &str, own: &[NamedService]) -> Result<Vec<Asked>, Misunderstood> {
    let mut list: Vec<Asked> = Vec::new();
    for word in words.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        if !list.iter().any(|(known, _)| known == word) {
            list.push((word.to_owned(), read_service(own, word)?));
        }
    }
    if list.is_empty() {
        return Err(Misunderstood::new("no service is named".to_owned(), "such as `tcp/22,tcp/80`".to_owned()));
    }
    Ok(list)
}

/// Who reaches whom on each service, by rules that hold at the same time. A family that no table sees is left out.
///
/// # Errors
/// When the space gives up.
pub fn service_matrices(
    space: &mut Space,
    programs: &[&Program],
    asked: &[Asked],
    naming: Naming<'_>,
) -> Result<Vec<ServiceMatrix>, GaveUp> {
    let seen = |family| {
        let tables = programs.iter().flat_map(|program| &program.tables);
        tables.into_iter().any(|table| match table.family {
            TableFamily::Inet => true,
            TableFamily::Ip => family == Family::V4,
            TableFamily::Ip6 => family == Family::V6,
            TableFamily::Arp | TableFamily::Bridge | TableFamily::Netdev => false,
        })
    };
    let families: Vec<Family> = FAMILIES.into_iter().filter(|family| seen(*family)).collect();
    let among = all_of(space, asked, &families)?;
    let mut list = Vec::new();
    for hook in HOOKS {
        let openings = of_programs(space, programs, hook, Ask { among, limits: false })?;
        list.extend(of_hook(space, &openings, asked, &families, naming)?);
    }
    Ok(in_order(list, asked))
}

/// Who reaches whom on each service, by a policy, at an instant.
///
/// # Errors
/// When the space gives up.
pub fn service_matrices_of_policy(
    space: &mut Space,
    ruleset: &Ruleset,
    at: At,
    asked: &[Asked],
    naming: Naming<'_>,
) -> Result<Vec<ServiceMatrix>, GaveUp> {
    let carried = |family| ruleset.interfaces.iter().any(|interface| interface.carries(family));
    let families: Vec<Family> = FAMILIES.into_iter().filter(|family| carried(*family)).collect();
    let mut among = all_of(space, asked, &families)?;
    if let At::Instant(now) = at {
        let now = space.cube(&instant(now))?;
        among = space.intersect(among, now)?;
    }
    let mut list = Vec::new();
    for hook in HOOKS {
        let openings = of_policy(space, ruleset, hook, at, among)?;
        list.extend(of_hook(space, &openings, asked, &families, naming)?);
    }
    Ok(in_order(list, asked))
}

/// Day, second and time of an instant.
fn instant(now: jiff::Timestamp) -> Cube {
    let civil = now.to_zoned(jiff::tz::TimeZone::UTC);
    let second = u128::from(civil.hour().unsigned_abs()) * 3600
        + u128::from(civil.minute().unsigned_abs()) * 60
        + u128::from(civil.second().unsigned_abs());
    let day = u128::from(civil.weekday().to_sunday_zero_offset().unsigned_abs());
    Cube::all()
        .with_only(Field::Time, u128::try_from(now.as_nanosecond()).unwrap_or(0))
        .with_only(Field::Day, day)
        .with_only(Field::Second, second)
}

fn in_order(mut list: Vec<ServiceMatrix>, asked: &[Asked]) -> Vec<ServiceMatrix> {
    list.sort_by_key(|matrix| asked.iter().position(|(word, _)| *word == matrix.service));
    list
}

/// Packets of a service.
fn of(space: &mut Space, services: &[Service], family: Family) -> Result<Set, GaveUp> {
    let cube = Cube::all().with_only(Field::Family, family_number(family));
    let cubes: Vec<Cube> = services.iter().filter_map(|service| of_service(cube.clone(), service, family)).collect();
    space.cubes(&cubes)
}

fn all_of(space: &mut Space, asked: &[Asked], families: &[Family]) -> Result<Set, GaveUp> {
    let mut all = Set::EMPTY;
    for (_, services) in asked {
        for family in families {
            let set = of(space, services, *family)?;
            all = space.union(all, set)?;
        }
    }
    // What the box tells itself is nobody's reach.
    let own = box_itself(space)?;
    space.minus(all, own)
}

fn of_hook(
    space: &mut Space,
    openings: &Openings,
    asked: &[Asked],
    families: &[Family],
    naming: Naming<'_>,
) -> Result<Vec<ServiceMatrix>, GaveUp> {
    let undecided = openings.undecided(space)?;
    let plain = untranslated(space)?;
    let mut list = Vec::new();
    for (word, services) in asked {
        for family in families {
            let about = of(space, services, *family)?;
            if about.is_empty() {
                continue;
            }
            let here = space.intersect(about, plain)?;
            let mut verdicts = [openings.accept, openings.limited, openings.drop, undecided];
            for set in &mut verdicts {
                *set = space.intersect(*set, here)?;
                *set = space.exists(*set, &HIDDEN)?;
            }
            let found = classes(space, verdicts, *family, naming)?;
            list.push(ServiceMatrix {
                service: word.clone(),
                hook: openings.hook.word(),
                family: family.to_string(),
                senders: found.senders,
                receivers: found.receivers,
                cells: found.cells,
                cells_left_out: found.cells_left_out,
                senders_reaching_nobody: found.silent_senders,
                receivers_unreached: found.silent_receivers,
                translated: translated(space, openings, about, naming)?,
                undecided: reasons(space, openings, about)?,
            });
        }
    }
    Ok(list)
}

/// Connections that arrive translated and are accepted, or may be.
fn translated(space: &mut Space, openings: &Openings, about: Set, naming: Naming<'_>) -> Result<Vec<String>, GaveUp> {
    let plain = untranslated(space)?;
    let among = space.minus(openings.possible, plain)?;
    let among = space.intersect(among, about)?;
    if among.is_empty() {
        return Ok(Vec::new());
    }
    let mut lines = Vec::new();
    let first = first_packets(space, openings.hook)?;
    // A policy is asked about one instant, which every line would repeat.
    let hidden: Vec<Field> = UNASKED.into_iter().chain([Field::Day, Field::Second, Field::Time]).collect();
    let open = space.minus(among, openings.drop)?;
    let sure = space.intersect(open, openings.accept)?;
    let limited = space.intersect(open, openings.limited)?;
    let rest = space.minus(open, sure)?;
    let rest = space.minus(rest, limited)?;
    for (word, set) in [("accept", sure), ("limited", limited), ("may", rest)] {
        if set.is_empty() {
            continue;
        }
        let shown = readable(space, set, first, &hidden, TRANSLATED_MAX)?;
        lines.extend(shown.boxes.iter().map(|cube| format!("{word}: {}", box_words(cube, naming))));
        lines.extend(shown.rest().map(|rest| format!("{word}: {rest}")));
    }
    if openings.translation_widened {
        lines.push("more connections than these translations make are taken for possible".to_owned());
    }
    Ok(lines)
}

/// What is not decided about these packets.
fn reasons(space: &mut Space, openings: &Openings, about: Set) -> Result<Vec<String>, GaveUp> {
    let mut list = Vec::new();
    for one in &openings.unknown {
        if !space.intersect(one.reached, about)?.is_empty() {
            list.push(format!("`{}`: {}", one.text, one.why));
        }
    }
    for one in openings.rates.iter().filter(|one| one.decides) {
        if !space.intersect(one.reached, about)?.is_empty() {
            let rate = &one.rate;
            list.push(format!("`limit {} in {} s`: depends on earlier packets", rate.packets, rate.per_s));
        }
    }
    list.sort();
    list.dedup();
    Ok(list)
}
