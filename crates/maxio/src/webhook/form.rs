//! The form of a delivery: `payload[subscription][id]=1` and the like.

/// A form's fields in their order: the path in the name, and the value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Form(Vec<(Vec<String>, String)>);

impl Form {
    /// Reads a body of type `application/x-www-form-urlencoded`. Fields whose brackets do not match are left out; nobody
    /// could ask for them. Bytes that are no UTF-8 become replacement characters.
    pub(super) fn parse(body: &[u8]) -> Self {
        let fields = url::form_urlencoded::parse(body);
        Self(
            fields
                .filter_map(|(name, value)| Some((path(&name)?, value.into_owned())))
                .collect(),
        )
    }

    /// The values under this path, in their order.
    pub(super) fn values(&self, path: &[&str]) -> Vec<&str> {
        let matching = self.0.iter().filter(|(known, _)| known == path);
        matching.map(|(_, value)| value.as_str()).collect()
    }
}

/// `a[b][][c]` as `a`, `b`, ``, `c`.
fn path(name: &str) -> Option<Vec<String>> {
    let (first, rest) = match name.split_once('[') {
        None if name.contains(']') => return None,
        None => return Some(vec![name.to_owned()]),
        Some(parts) => parts,
    };
    let inner = rest.strip_suffix(']')?;
    let mut path = vec![first];
    path.extend(inner.split("]["));
    let clean = path.iter().all(|part| !part.contains(['[', ']']));
    clean.then(|| path.into_iter().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn brackets_become_a_path() {
        let cases: [(&str, Option<&[&str]>); 11] = [
            ("id", Some(&["id"])),
            ("a[b]", Some(&["a", "b"])),
            ("a[b][c][d]", Some(&["a", "b", "c", "d"])),
            ("a[]", Some(&["a", ""])),
            ("a[][b]", Some(&["a", "", "b"])),
            ("", Some(&[""])),
            ("a[b", None),
            ("a]b[", None),
            ("a[b]c", None),
            ("a[b]c[d]", None),
            ("a[[b]]", None),
        ];
        for (name, expected) in cases {
            assert_eq!(
                path(name).as_deref(),
                expected
                    .map(|parts| parts
                        .iter()
                        .map(|part| (*part).to_owned())
                        .collect::<Vec<_>>())
                    .as_deref(),
                "{name}"
            );
        }
    }

    /// What a sender makes of a path and a value, brackets raw as Maxio sends them, or escaped.
    fn written(path: &[String], value: &str, raw: bool) -> String {
        let escaped = |text: &str| {
            url::form_urlencoded::byte_serialize(text.as_bytes())
                .collect::<String>()
                .replace('+', "%20")
        };
        let (open, close) = if raw { ("[", "]") } else { ("%5B", "%5D") };
        let mut name = escaped(&path[0]);
        for part in &path[1..] {
            name.push_str(&format!("{open}{}{close}", escaped(part)));
        }
        format!("{name}={}", escaped(value))
    }

    proptest! {
        #[test]
        fn no_body_is_too_odd(body in prop::collection::vec(any::<u8>(), 0..400)) {
            let form = Form::parse(&body);
            prop_assert!(form.0.len() <= body.len());
        }

        #[test]
        fn no_nest_of_brackets_is_too_odd(body in "[\\[\\]a=&%5BD]{0,200}") {
            for (path, _) in Form::parse(body.as_bytes()).0 {
                prop_assert!(path.iter().all(|part| !part.contains(['[', ']'])));
            }
        }

        #[test]
        fn every_field_is_found_under_its_path(
            fields in prop::collection::btree_map(
                prop::collection::vec("[^\\[\\]]{1,8}", 1..6),
                "\\PC{0,20}",
                1..8,
            ),
            raw in any::<bool>(),
        ) {
            let body: Vec<String> = fields.iter().map(|(path, value)| written(path, value, raw)).collect();
            let form = Form::parse(body.join("&").as_bytes());
            for (path, value) in &fields {
                let path: Vec<&str> = path.iter().map(String::as_str).collect();
                prop_assert_eq!(form.values(&path), vec![value.as_str()]);
            }
        }
    }

    #[test]
    fn a_very_deep_nest_is_no_trouble() {
        let body = format!("payload{}=x", "[a]".repeat(200_000));
        let form = Form::parse(body.as_bytes());
        assert!(form.values(&["payload", "a"]).is_empty());
        assert_eq!(form.0.len(), 1);
    }
}
