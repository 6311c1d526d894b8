//! Order of things that may name each other: groups in groups, services in services.

/// An edge: the place in the list of what is named, and which of its owner's members names it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Edge {
    pub to: usize,
    pub member: usize,
}

/// What [`order`] finds.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// Everything, what is named before what names it. Where there is a cycle, its closing edge is left out.
    pub sorted: Vec<usize>,
    /// The cycles: the path from a node back to itself, and the member that closes it.
    pub cycles: Vec<(Vec<usize>, Edge)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    Not,
    OnPath,
    Done,
}

/// Depth first, on a stack of our own: a chain of a million groups must not end the process's.
pub(super) fn order(edges: &[Vec<Edge>]) -> Order {
    let mut found = Order::default();
    let mut seen = vec![Seen::Not; edges.len()];
    for root in 0..edges.len() {
        if seen[root] != Seen::Not {
            continue;
        }
        let mut path = vec![(root, 0)];
        seen[root] = Seen::OnPath;
        while let Some((node, next)) = path.last_mut() {
            let node = *node;
            let Some(edge) = edges[node].get(*next) else {
                seen[node] = Seen::Done;
                found.sorted.push(node);
                path.pop();
                continue;
            };
            *next += 1;
            match seen[edge.to] {
                Seen::Done => {}
                Seen::Not => {
                    seen[edge.to] = Seen::OnPath;
                    path.push((edge.to, 0));
                }
                Seen::OnPath => {
                    let start = path.iter().position(|(on_path, _)| *on_path == edge.to).expect("it is on the path");
                    let cycle = path[start..].iter().map(|(on_path, _)| *on_path).collect();
                    found.cycles.push((cycle, *edge));
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edges(lists: &[&[usize]]) -> Vec<Vec<Edge>> {
        lists
            .iter()
            .map(|list| list.iter().enumerate().map(|(member, to)| Edge { to: *to, member }).collect())
            .collect()
    }

    #[test]
    fn what_is_named_comes_first() {
        assert_eq!(order(&edges(&[&[1, 2], &[2], &[]])).sorted, [2, 1, 0]);
    }

    #[test]
    fn a_cycle_is_a_path() {
        let found = order(&edges(&[&[1], &[2], &[1], &[3]]));
        let cycles: Vec<_> = found.cycles.iter().map(|(path, _)| path.clone()).collect();
        assert_eq!(cycles, [vec![1, 2], vec![3]]);
        assert_eq!(found.sorted.len(), 4);
    }

    #[test]
    fn a_long_chain_needs_no_stack() {
        let count = 300_000;
        let chain: Vec<_> =
            (0..count).map(|at| if at + 1 < count { vec![Edge { to: at + 1, member: 0 }] } else { vec![] }).collect();
        assert_eq!(order(&chain).sorted[0], count - 1);
    }
}
