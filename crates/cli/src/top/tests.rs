//! What is said to the screen, and what stands on it then.

use jiff::tz::TimeZone;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use segwall_watch::view::{Flow, Pair, SHAPE, Sum, Talker, View, ZoneRow};

use super::app::{App, Ask, Tab};
use super::paint::Look;
use crate::commands::{LeaseRow, LeasesData};

/// So many zones, each of which sends to the next; the second one refuses.
fn view(second: i64, zones: u32) -> View {
    let bytes = |rate: u64| Sum { packets: 0, bytes: rate * u64::try_from(second).expect("as this test made it") };
    let name = |place: u32| format!("zone-with-a-name-{place:04}");
    let pair =
        |from: u32| Pair { from, to: (from + 1) % zones, sent: bytes(1_000 * u64::from(from + 1)), ..Pair::default() };
    View {
        shape: SHAPE,
        at_ms: 1_795_694_400_000 + 1_000 * second,
        listed_ms: Some(1_795_694_400_000 + 1_000 * second),
        policy: "generation 7".to_owned(),
        zones: (0..zones).map(|place| ZoneRow { name: name(place), hosts: 1 }).collect(),
        pairs: (0..zones).map(pair).collect(),
        flows: (0..40u16)
            .map(|port| Flow {
                from: 0,
                to: 1,
                proto: "tcp".to_owned(),
                src: "10.0.0.1".parse().expect("as this test made it"),
                dst: "10.0.1.1".parse().expect("as this test made it"),
                sport: Some(40_000),
                // The newest is the busiest, and comes first.
                dport: Some(1_000 + port + u16::try_from(second).expect("as this test made it")),
                sent: Sum::default(),
                received: Sum::default(),
                sent_s: 9_000 - u64::from(port),
                received_s: 0,
            })
            .rev()
            .collect(),
        talkers: (0..zones)
            .map(|zone| Talker {
                zone,
                addr: [10, 0, u8::try_from(zone % 256).expect("as this test made it"), 1].into(),
                name: Some("x\u{1b}]0;owned\u{7}".to_owned()),
                sent: Sum::default(),
                received: Sum::default(),
                sent_s: 5,
                received_s: 5,
            })
            .collect(),
        flows_open: 40,
        ..View::default()
    }
}

fn app(zones: u32, size: (u16, u16)) -> App {
    let mut app = App::new(Look { is_coloured: true }, TimeZone::UTC, size);
    for second in 1..=2 {
        app.show(view(second, zones));
    }
    app
}

fn press(app: &mut App, code: KeyCode) -> Option<Ask> {
    app.key(KeyEvent::new(code, KeyModifiers::NONE))
}

fn click(app: &mut App, column: u16, row: u16) -> Option<Ask> {
    let kind = MouseEventKind::Down(MouseButton::Left);
    app.mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE })
}

fn drawn(app: &App) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(app.size.0, app.size.1)).expect("as this test made it");
    terminal.draw(|frame| app.draw(frame.buffer_mut())).expect("as this test made it");
    let buffer = terminal.backend().buffer();
    let line = |y: u16| (0..app.size.0).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
    (0..app.size.1).map(line).collect()
}

#[test]
fn a_large_matrix_scrolls_both_ways() {
    let mut app = app(1_000, (80, 24));
    let screen = drawn(&app);
    assert!(screen[4].starts_with("zone-w…name-0000"), "{screen:#?}");
    // The diagonal's neighbour: 1,000 bytes a second are 8 kbit/s.
    assert!(screen[4].contains("8.0k") && screen[22].contains("rows 1-18, columns 1-6 of 1000"), "{screen:#?}");
    press(&mut app, KeyCode::End);
    let screen = drawn(&app);
    assert!(screen[21].starts_with("zone-w…name-0999") && screen[22].contains("rows 983-1000"), "{screen:#?}");
    press(&mut app, KeyCode::Char('o'));
    assert!(drawn(&app)[4].contains("ame-0999"), "the busiest come first: {:#?}", drawn(&app));
    press(&mut app, KeyCode::Char('/'));
    "0007".chars().for_each(|c| drop(press(&mut app, KeyCode::Char(c))));
    press(&mut app, KeyCode::Enter);
    let screen = drawn(&app);
    assert!(screen[2].contains("filter: 0007") && screen[4].contains("0007") && screen[5].is_empty(), "{screen:#?}");
}

#[test]
fn a_cell_opens_its_flows() {
    let mut app = app(5, (80, 24));
    // A click moves the cursor, a second one opens.
    let at = drawn(&app)[4]
        .rfind("8.0k")
        .map(|at| u16::try_from(drawn(&app)[4][..at].chars().count()).expect("as this test made it"))
        .expect("as this test made it");
    click(&mut app, at, 4);
    assert!(drawn(&app)[2].starts_with("zone-with-a-nam… > zone-with-a-nam…: 8.0 kbit/s"), "{:#?}", drawn(&app));
    click(&mut app, at, 4);
    assert_eq!((app.tab, app.filter()), (Tab::Flows, "zone-with-a-name-0000>zone-with-a-name-0001"));
    assert_eq!(app.rows().len(), 40);
    assert!(matches!(press(&mut app, KeyCode::Enter), Some(Ask::Explain(_))));
}

#[test]
fn the_cursor_stays_on_its_row_and_a_pause_holds_all() {
    let mut app = app(3, (80, 24));
    press(&mut app, KeyCode::Char('3'));
    let chosen = |app: &App| {
        app.view.as_ref().expect("as this test made it").flows[app.chosen().expect("as this test made it")]
            .dport
            .expect("as this test made it")
    };
    press(&mut app, KeyCode::Down);
    let port = chosen(&app);
    app.show(view(3, 3));
    assert_eq!((chosen(&app), app.list().cursor), (port, 2));
    press(&mut app, KeyCode::Char('p'));
    app.show(view(9, 3));
    assert!(drawn(&app)[0].ends_with("PAUSED 12:00:03"), "{:#?}", drawn(&app));
    press(&mut app, KeyCode::Char('p'));
    assert!(drawn(&app)[0].ends_with("12:00:09"));
}

#[test]
fn names_of_the_network_and_of_hosts_do_nothing() {
    let mut app = app(3, (120, 24));
    press(&mut app, KeyCode::Char('5'));
    let all = drawn(&app).join("\n");
    assert!(all.contains("x\\u{1b}]0;owned\\u{7}") && !all.contains('\u{1b}'), "{all}");
    let name = Some("pc\u{202e}\u{1b}[2J".to_owned());
    let row = LeaseRow {
        address: "10.0.0.5".parse().expect("as this test made it"),
        segment: None,
        name,
        mac: Some("02:00:00:00:00:01".to_owned()),
        vendor: None,
        reserved: false,
        age_s: None,
        left_s: Some(61),
    };
    assert!(matches!(press(&mut app, KeyCode::Char('7')), Some(Ask::Leases)));
    app.lease(Ok(LeasesData { leases: vec![row], skipped: 0 }));
    let all = drawn(&app).join("\n");
    assert!(
        all.contains("pc\\u{202e}\\u{1b}[2J") && all.contains("none any more") && all.contains("in 1 min"),
        "{all}"
    );
    assert!(press(&mut app, KeyCode::Enter).is_none());
    assert_eq!((app.tab, app.filter()), (Tab::Flows, "10.0.0.5"));
    app.turn(Tab::Leases);
    app.lease(Err("this needs root".to_owned()));
    assert!(drawn(&app)[4].starts_with("this needs root"));
}

#[test]
fn every_key_on_every_tab_at_every_size_is_drawn() {
    let codes = [
        KeyCode::Up,
        KeyCode::Down,
        KeyCode::Left,
        KeyCode::Right,
        KeyCode::PageDown,
        KeyCode::PageUp,
        KeyCode::End,
        KeyCode::Home,
        KeyCode::Enter,
        KeyCode::Esc,
        KeyCode::Tab,
        KeyCode::BackTab,
        KeyCode::Char('u'),
        KeyCode::Char('o'),
        KeyCode::Char('r'),
        KeyCode::Char('?'),
        KeyCode::Char('/'),
        KeyCode::Char('x'),
        KeyCode::Backspace,
        KeyCode::Enter,
        KeyCode::Char('p'),
    ];
    for size in [(80, 24), (60, 12), (59, 40), (1, 1), (300, 5), (200, 60)] {
        for zones in [0, 1, 30] {
            let mut app = App::new(Look { is_coloured: false }, TimeZone::UTC, size);
            drawn(&app);
            app.show(View { shape: SHAPE, ..View::default() });
            if zones > 0 {
                app.show(view(1, zones));
                app.show(view(2, zones));
            }
            for tab in Tab::ALL {
                app.turn(tab);
                for code in codes {
                    press(&mut app, code);
                    drawn(&app);
                }
                for (column, row) in [(0, 0), (30, 1), (70, 5), (3, size.1 - 1), (40, size.1 / 2)] {
                    click(&mut app, column, row);
                    drawn(&app);
                }
            }
        }
    }
}

#[test]
fn it_ends_and_says_why_nothing_comes() {
    let mut app = app(3, (80, 24));
    app.lose("`segwall watch` does not answer".to_owned());
    assert!(drawn(&app)[2].starts_with("`segwall watch` does not answer"));
    app.show(view(4, 3));
    assert!(!drawn(&app)[2].contains("answer"));
    press(&mut app, KeyCode::Char('?'));
    // A text over the screen takes q for itself.
    assert!(press(&mut app, KeyCode::Char('q')).is_none());
    assert!(matches!(press(&mut app, KeyCode::Char('q')), Some(Ask::Quit)));
    let ctrl = |c| KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL);
    assert!(matches!(app.key(ctrl('c')), Some(Ask::Quit)) && matches!(app.key(ctrl('z')), Some(Ask::Suspend)));
    // Esc and a digit in one piece.
    press(&mut app, KeyCode::Char('?'));
    app.key(KeyEvent::new(KeyCode::Char('4'), KeyModifiers::ALT));
    assert_eq!((app.tab, app.popup), (Tab::Drops, None));
}
