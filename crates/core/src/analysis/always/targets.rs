//! Ends of a claim as sets.

use segwall_packetset::{AddrRange, Cube, Family, Field, GaveUp, Place, PortRange, Set};

use super::entry::{addresses, common, takes};
use super::{Always, output_number};
use crate::analysis::domain::{intersect, places};
use crate::analysis::proof::boxes::own_addresses;
use crate::analysis::proof::terms::{family_number, is, of_service, port};
use crate::policy::{End, Service, Zone};
use crate::ruleset::Ruleset;

/// The addresses of a zone that an end means.
fn within(domain: &[AddrRange], end: &End) -> Vec<AddrRange> {
    match &end.addresses {
        None => domain.to_vec(),
        Some(list) => intersect(domain, &AddrRange::merge(list.clone())),
    }
}

impl Always<'_> {
    /// Packets from a place whose source an end means.
    pub fn sources(&mut self, input: Place, end: &End) -> Result<Set, GaveUp> {
        let ranges = within(&self.ground.sources(input), end);
        self.of_addresses(Field::Src, &ranges, None)
    }

    /// Packets that an end means as a destination, from any place: not of the box itself, see [`Always::of_box`].
    pub fn beyond(&mut self, end: &End) -> Result<Set, GaveUp> {
        let mut sets = Vec::new();
        for output in places(self.ruleset(), end.zone) {
            if output != Place::Gateway {
                // Where it comes from plays no part for what lies beyond an interface.
                let ranges = within(&self.ground.destinations(Place::Gateway, output, true), end);
                sets.push(self.of_addresses(Field::Dst, &ranges, Some(output))?);
            }
        }
        self.space.union_all(&sets)
    }

    /// Packets from a place to the box itself that an end means. `whole_box`: all its addresses.
    pub fn of_box(&mut self, input: Place, end: &End, whole_box: bool) -> Result<Set, GaveUp> {
        let whole_box = whole_box || end.addresses.is_some();
        let ranges = within(&self.ground.destinations(input, Place::Gateway, whole_box), end);
        self.of_addresses(Field::Dst, &ranges, Some(Place::Gateway))
    }

    /// What port forwards make of packets from a place that were sent to the box.
    pub fn through_box(
        &mut self,
        input: Place,
        end: &End,
        whole_box: bool,
        services: Option<&[Service]>,
    ) -> Result<Set, GaveUp> {
        let ruleset = self.ruleset();
        let whole_box = whole_box || end.addresses.is_some();
        let ranges = within(&self.ground.destinations(input, Place::Gateway, whole_box), end);
        let mut cubes = Vec::new();
        for translation in ruleset.translations.iter().filter(|translation| takes(ruleset, translation, input)) {
            let family = Family::of(translation.to);
            let own = own_addresses(&ruleset.interface(translation.uplink).addresses, family);
            let asked: Vec<PortRange> = match services {
                None => vec![translation.ports],
                Some(services) => services
                    .iter()
                    .filter(|service| service.proto == translation.proto)
                    .filter_map(|service| common(Ruleset::ports_of(service)?, translation.ports))
                    .collect(),
            };
            let cube = is(is(Cube::all(), Field::Translated, 1), Field::Family, family_number(family));
            let cube = is(cube, Field::Proto, u128::from(translation.proto)).with_ranges(Field::SentDst, &own);
            let Some(meant) = addresses(Cube::all(), Field::SentDst, &ranges, family) else { continue };
            let meant = self.space.cube(&meant)?;
            for range in asked {
                let set = self.space.cube(&port(cube.clone(), Field::SentDport, range))?;
                cubes.push(self.space.intersect(set, meant)?);
            }
        }
        self.space.union_all(&cubes)
    }

    /// Packets of services, as delivered; `None`: every protocol.
    pub fn services(&mut self, services: Option<&[Service]>) -> Result<Set, GaveUp> {
        let Some(services) = services else { return Ok(Set::ALL) };
        let cubes = Family::BOTH.into_iter().flat_map(|family| {
            let cube = is(Cube::all(), Field::Family, family_number(family));
            services.iter().filter_map(move |service| of_service(cube.clone(), service, family))
        });
        let cubes: Vec<Cube> = cubes.collect();
        self.space.cubes(&cubes)
    }

    fn of_addresses(&mut self, field: Field, ranges: &[AddrRange], output: Option<Place>) -> Result<Set, GaveUp> {
        let cubes = Family::BOTH.into_iter().filter_map(|family| {
            let cube = is(Cube::all(), Field::Family, family_number(family));
            let cube = match output {
                Some(output) => is(cube, Field::Out, output_number(output)),
                None => cube,
            };
            addresses(cube, field, ranges, family)
        });
        let cubes: Vec<Cube> = cubes.collect();
        self.space.cubes(&cubes)
    }

    /// What leaves by another interface than the one it entered by.
    pub fn elsewhere(&mut self, input: Place) -> Result<Set, GaveUp> {
        let own = output_number(input);
        if input == Place::Gateway {
            return Ok(Set::ALL);
        }
        let own = self.space.range(Field::Out, own, own)?;
        self.space.complement(own)
    }
}

/// Whether a claim means what stays in a zone: only where both ends say so.
pub fn says_same(from: &End, to: &End) -> bool {
    from.zone == to.zone && !matches!(from.zone, Zone::Segments | Zone::Gateway)
}
