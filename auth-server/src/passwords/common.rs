//! Passwords that many people have chosen before, compiled in. `auth-server/data` says where they come from.

/// Sorted by bytes, one a line, in the folded form of the policy.
const LIST: &str = include_str!("../../data/common-passwords.txt");
/// Length of its longest line.
const LONGEST: usize = 39;

/// True when `folded` is one of the list.
pub(super) fn is_common(folded: &str) -> bool {
    let (mut from, mut to) = (0, LIST.len());
    // Halves of a text of lines: both ends always stand at the beginning of one, or behind the last.
    while let Some(rest) = LIST.get(from..to).filter(|rest| !rest.is_empty()) {
        let middle = rest.get(..rest.len() / 2).and_then(|half| half.rfind('\n')).map_or(0, |end| end + 1);
        let line = rest.get(middle..).and_then(|line| line.lines().next()).unwrap_or_default();
        match line.cmp(folded) {
            std::cmp::Ordering::Equal => return true,
            std::cmp::Ordering::Less => from += middle + line.len() + 1,
            std::cmp::Ordering::Greater => to = from + middle,
        }
    }
    false
}

/// The first of the longest passwords of the list that stand somewhere in `folded`. One letter again and again is none
/// of them (U03): that is a matter of the whole password.
pub(super) fn find_longest(folded: &str) -> Option<&str> {
    let starts: Vec<usize> = folded.char_indices().map(|(at, _)| at).chain([folded.len()]).collect();
    let shortest = super::policy::SHORTEST;
    (shortest..starts.len().min(LONGEST + 1)).rev().find_map(|length| {
        starts.windows(length + 1).find_map(|window| {
            let part = folded.get(*window.first()?..*window.last()?)?;
            (!is_one_letter(part) && is_common(part)).then_some(part)
        })
    })
}

fn is_one_letter(text: &str) -> bool {
    let mut letters = text.chars();
    let first = letters.next();
    letters.all(|letter| Some(letter) == first)
}

#[cfg(test)]
mod tests {
    use super::*;

    // U02: three thousand of at least the default minimum are asked for.
    #[test]
    fn u02_the_list_is_long_sorted_and_folded() {
        let lines: Vec<&str> = LIST.lines().collect();
        assert!(lines.windows(2).all(|pair| pair[0] < pair[1]), "binary search needs it sorted, each once");
        assert!(lines.iter().filter(|line| line.len() >= 15).count() >= 3000);
        assert_eq!(lines.iter().map(|line| line.len()).max(), Some(LONGEST));
        assert!(lines.iter().all(|line| {
            line.len() >= super::super::policy::SHORTEST
                && line.bytes().all(|byte| byte.is_ascii_graphic() && !byte.is_ascii_uppercase())
        }));
    }

    #[test]
    fn u02_every_line_is_found_and_nothing_between() {
        for line in LIST.lines() {
            assert!(is_common(line), "{line}");
            assert!(!is_common(&format!("{line}\n")) && !is_common(&format!("{line} ")), "{line}");
        }
        for other in
            ["", "\n", "a", "correct horse battery", "zzzzzzzzzzzzzzzzzzzzzzzzzzzz", "pass\nword", "\u{10ffff}"]
        {
            assert!(!is_common(other), "{other:?}");
        }
    }

    #[test]
    fn the_longest_one_inside_is_found() {
        assert_eq!(find_longest("ñ-password123456-ñ"), Some("password123456"));
        assert_eq!(find_longest("xxpasswordxx"), Some("password"));
        assert_eq!(find_longest("nine purple plums"), None);
        assert_eq!(find_longest(""), None);
    }
}
