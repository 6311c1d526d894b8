//! Expressions and statements in nft's own words, for people: what is not understood is quoted.

use std::fmt::Write as _;

use super::node::Node;

/// Longer quotations are cut.
const TEXT_CHARS_MAX: usize = 200;

/// A statement.
pub(super) fn statement(node: &Node<'_>) -> String {
    let text = match node.tagged() {
        Some(("match", body)) => {
            let (left, right) = (body.get("left"), body.get("right"));
            let part = |side: Option<&Node<'_>>| side.map(expression).unwrap_or_default();
            let op = match body.text_of("op") {
                None | Some("==" | "in") => String::new(),
                Some(op) => format!("{op} "),
            };
            format!("{} {op}{}", part(left), part(right))
        }
        Some(("mangle", body)) => {
            let part = |name: &str| body.get(name).map(expression).unwrap_or_default();
            format!("{} set {}", part("key"), part("value"))
        }
        Some(("set" | "map" | "meter", body)) if body.get("elem").is_some() => {
            let part = |name: &str| body.get(name).map(expression).unwrap_or_default();
            format!("{} {} {{ {} }}", part("op"), part("set"), part("elem"))
        }
        Some((name, Node::Null)) => name.to_owned(),
        Some((name, Node::Text(value))) => format!("{name} {value}"),
        Some((name, Node::Map(members))) => {
            let mut text = name.to_owned();
            for (member, value) in members {
                match value {
                    Node::Bool(true) => {
                        let _ = write!(text, " {}", if member == "inv" { "over" } else { member });
                    }
                    _ => {
                        let _ = write!(text, " {member} {}", expression(value));
                    }
                }
            }
            text
        }
        _ => node.to_string(),
    };
    cut(text)
}

/// An expression.
pub(super) fn expression(node: &Node<'_>) -> String {
    let text = match node {
        Node::Text(text) => text.clone().into_owned(),
        Node::List(list) => joined(list, ","),
        Node::Map(_) => match node.tagged() {
            Some(("payload", body)) => match (body.text_of("protocol"), body.text_of("field")) {
                (Some(protocol), Some(field)) => format!("{protocol} {field}"),
                _ => {
                    let base = body.text_of("base").unwrap_or("nh");
                    let number = |name| body.number_of(name).unwrap_or(0);
                    format!("@{base},{},{}", number("offset"), number("len"))
                }
            },
            Some(("meta", body)) => format!("meta {}", body.text_of("key").unwrap_or("?")),
            Some(("ct", body)) => {
                let direction = body.text_of("dir").map(|dir| format!("{dir} ")).unwrap_or_default();
                format!("ct {direction}{}", body.text_of("key").unwrap_or("?"))
            }
            Some(("fib", body)) => {
                let flags = match body.get("flags") {
                    Some(Node::List(list)) => joined(list, " . "),
                    Some(other) => expression(other),
                    None => String::new(),
                };
                format!("fib {flags} {}", body.text_of("result").unwrap_or("?"))
            }
            Some(("set", Node::List(list))) => format!("{{ {} }}", joined(list, ", ")),
            Some(("concat", Node::List(list))) => joined(list, " . "),
            Some(("range", Node::List(list))) => joined(list, "-"),
            Some(("prefix", body)) => {
                let addr = body.text_of("addr").unwrap_or("?");
                format!("{addr}/{}", body.number_of("len").unwrap_or(0))
            }
            Some((op @ ("&" | "|" | "^" | "<<" | ">>"), Node::List(list))) => joined(list, &format!(" {op} ")),
            Some(("elem", body)) => body.get("val").map(expression).unwrap_or_default(),
            _ => node.to_string(),
        },
        _ => node.to_string(),
    };
    cut(text)
}

fn joined(list: &[Node<'_>], between: &str) -> String {
    let mut text = String::new();
    for (at, one) in list.iter().enumerate() {
        if text.len() > TEXT_CHARS_MAX {
            text.push('…');
            break;
        }
        if at > 0 {
            text.push_str(between);
        }
        text.push_str(&expression(one));
    }
    text
}

fn cut(mut text: String) -> String {
    if let Some((at, _)) = text.char_indices().nth(TEXT_CHARS_MAX) {
        text.truncate(at);
        text.push('…');
    }
    text
}
