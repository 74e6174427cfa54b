//! Names of units as people and tests say them: `policyd`, `sandbox-workshop`, or `sandbox` for all of that kind.

use std::collections::BTreeMap;

/// What is kept for a unit by its short name: for itself, else for what all of its kind share, up to a dash, as
/// `sandbox` for `sandbox-workshop`.
pub(crate) fn of_kind<'m, T>(map: &'m BTreeMap<String, T>, short_name: &str) -> Option<&'m T> {
    map.get(short_name).or_else(|| of_kind(map, short_name.rsplit_once('-')?.0))
}

/// Whether a unit is this one, or of this kind.
pub(crate) fn is_of_kind(unit: &str, kind: &str) -> bool {
    let name = short_name(unit);
    name.strip_prefix(kind).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// The name of a unit without its prefix and suffix.
pub(crate) fn short_name(unit: &str) -> &str {
    let stem = unit.rsplit_once('.').map_or(unit, |(stem, _)| stem).trim_end_matches('@');
    stem.strip_prefix("testudo-").unwrap_or(stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_a_kind_holds_for_each_unless_it_has_its_own() {
        let map = BTreeMap::from([("sandbox".to_owned(), 1), ("sandbox-workshop".to_owned(), 2)]);
        let of = |name| of_kind(&map, name).copied();
        assert_eq!(
            [of("sandbox-workshop"), of("sandbox-ai-provider"), of("sandbox"), of("apply")],
            [Some(2), Some(1), Some(1), None]
        );
        assert!(is_of_kind("testudo-sandbox-workshop.socket", "sandbox"));
        assert!(is_of_kind("testudo-sandbox-workshop.socket", "sandbox-workshop"));
        assert!(!is_of_kind("testudo-sandbox-workshop.socket", "sand"));
    }
}
