//! What requests that write have in common: fields that are left out, cleared or given, one body or a list of them, and the
//! report of all that is wrong at once.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use garde::Validate;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use crate::http::envelope::ApiError;

/// Tells `null` (clear) from a field that was left out (keep).
pub(super) fn present<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::<T>::deserialize(deserializer).map(Some)
}

/// A field that may be left out (keep) but not `null`: it cannot be cleared.
pub(super) fn given<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// Trimmed; blank text is none.
pub(super) fn blank_is_none(value: Option<String>) -> Option<String> {
    value
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty())
}

/// As typed; blank text is none.
pub(super) fn untrimmed(value: Option<String>) -> Option<String> {
    value.filter(|text| !text.trim().is_empty())
}

/// A request laid over a row: notes which fields it speaks of. An old row may hold values that today's rules refuse, and
/// those must not stand in the way of another field's change.
#[derive(Default)]
pub(super) struct Overlay {
    touched: Vec<&'static str>,
}

impl Overlay {
    /// The given value, or else the old one.
    pub(super) fn lay<T>(&mut self, name: &'static str, given: Option<T>, old: T) -> T {
        if given.is_some() {
            self.touched.push(name);
        }
        given.unwrap_or(old)
    }

    /// The given text, trimmed, or else the old one as it is.
    pub(super) fn text(&mut self, name: &'static str, given: Option<String>, old: &str) -> String {
        let given = given.map(|text| text.trim().to_owned());
        self.lay(name, given, old.to_owned())
    }

    /// The given text, trimmed and blank as none, or else the old one as it is.
    pub(super) fn optional(
        &mut self,
        name: &'static str,
        given: Option<Option<String>>,
        old: &Option<String>,
    ) -> Option<String> {
        self.lay(name, given.map(blank_is_none), old.clone())
    }

    /// Whether the request speaks of the field.
    pub(super) fn touches(&self, name: &str) -> bool {
        self.touched.contains(&name)
    }
}

/// What the rules say against some values, by the name of the field; only of the fields that a change speaks of.
pub(super) fn broken_rules<T>(edited: &T, overlay: Option<&Overlay>) -> BTreeMap<String, String>
where
    T: Validate,
    T::Context: Default,
{
    let Err(report) = edited.validate() else {
        return BTreeMap::new();
    };
    report
        .iter()
        .map(|(path, error)| (camel_case(&path.to_string()), error.message().to_owned()))
        .filter(|(name, _)| overlay.is_none_or(|overlay| overlay.touches(name)))
        .collect()
}

/// # Errors
/// 422 with every field named.
pub(super) fn refuse_if_any(broken: BTreeMap<String, String>) -> Result<(), ApiError> {
    if broken.is_empty() {
        Ok(())
    } else {
        Err(ApiError::validation(broken))
    }
}

/// # Errors
/// 422 with every field that breaks a rule; of a change, only the fields it speaks of.
pub(super) fn check<T>(edited: &T, overlay: Option<&Overlay>) -> Result<(), ApiError>
where
    T: Validate,
    T::Context: Default,
{
    refuse_if_any(broken_rules(edited, overlay))
}

/// The library names fields as Rust does; callers know them as JSON does. The `[]` of an optional field is dropped.
fn camel_case(path: &str) -> String {
    let mut name = String::new();
    let mut upper = false;
    for letter in path.trim_end_matches("[]").chars() {
        match letter {
            '_' => upper = true,
            letter if upper => {
                name.extend(letter.to_uppercase());
                upper = false;
            }
            letter => name.push(letter),
        }
    }
    name
}

/// Most entries of one list.
const MOST: usize = 50;

/// One, or several that are written by one statement. The answer has the form of the question.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum OneOrMany<T> {
    /// An object.
    One(T),
    /// A list of 1 to 50 objects.
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    /// The entries.
    pub(super) fn entries(&self) -> &[T] {
        match self {
            OneOrMany::One(one) => std::slice::from_ref(one),
            OneOrMany::Many(many) => many,
        }
    }

    /// What was made of the entries, in the same form.
    pub(super) fn in_same_form<U>(&self, mut made: Vec<U>) -> OneOrMany<U> {
        match self {
            OneOrMany::One(_) if made.len() == 1 => OneOrMany::One(made.remove(0)),
            _ => OneOrMany::Many(made),
        }
    }

    /// What is wrong with the entries, each with its place in a list: `[1].firstName`.
    ///
    /// # Errors
    /// 422 with every field of every entry that breaks a rule, or for a list that is empty or too long.
    pub(super) fn check<E>(&self, edited: &[E]) -> Result<(), ApiError>
    where
        E: Validate,
        E::Context: Default,
    {
        if edited.is_empty() || edited.len() > MOST {
            let what = format!("Send 1 to {MOST} at once");
            return Err(ApiError::new(
                axum::http::StatusCode::UNPROCESSABLE_ENTITY,
                "VALIDATION_ERROR",
                what,
            ));
        }
        let mut broken = BTreeMap::new();
        for (index, entry) in edited.iter().enumerate() {
            for (name, what) in broken_rules(entry, None) {
                let name = match self {
                    OneOrMany::One(_) => name,
                    OneOrMany::Many(_) => format!("[{index}].{name}"),
                };
                broken.insert(name, what);
            }
        }
        refuse_if_any(broken)
    }
}

/// By hand, so that a mistake is told with its place: the library would say only that nothing fitted.
impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Either<T> {
            type Value = OneOrMany<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object or a list of objects")
            }

            fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<Self::Value, M::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(OneOrMany::One)
            }

            fn visit_seq<S: SeqAccess<'de>>(self, list: S) -> Result<Self::Value, S::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list)).map(OneOrMany::Many)
            }
        }

        deserializer.deserialize_any(Either(PhantomData))
    }
}
