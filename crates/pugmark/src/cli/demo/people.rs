//! Customers as they really come: names with apostrophes, accents and other scripts, phones in several spellings.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

const FIRST: [&str; 24] = [
    "Achieng",
    "Wanjikũ",
    "Kamau",
    "Njeri",
    "Otieno",
    "Atieno",
    "Mwangi",
    "Zawadi",
    "Baraka",
    "Chebet",
    "Kiprono",
    "Nafula",
    "Zuri",
    "Juma",
    "Amina",
    "Hassan",
    "Wairimũ",
    "Ochieng'",
    "Mutua",
    "Ndũkũ",
    "Faith",
    "José",
    "Aoife",
    "Grace & Peace",
];
const MIDDLE: [&str; 10] = [
    "Adhiambo",
    "wa Kamau",
    "Chepkoech",
    "Mũthoni",
    "Omondi",
    "Nyambura",
    "Ali",
    "Moraa",
    "Anyango",
    "D'Arcy",
];
const LAST: [&str; 24] = [
    "Ng'ang'a",
    "O'Brien-Otieno",
    "Ndũng'ũ",
    "Wambũi",
    "Kĩprotich",
    "Odhiambo",
    "Mohamed",
    "Achola",
    "Njoroge",
    "Cheruiyot",
    "Were",
    "Kilonzo",
    "Abdi",
    "Mwende",
    "Onyango",
    "Ruto",
    "Gĩthĩnji",
    "Müller",
    "Nyong'o",
    "Barasa",
    "Wekesa",
    "Kariũki",
    "\"Simba\" Mwai",
    "de Souza",
];
const GENDERS: [Option<&str>; 4] = [
    Some("MALE"),
    Some("FEMALE"),
    Some("PREFER_NOT_TO_SAY"),
    None,
];
const ID_TYPES: [&str; 4] = ["NATIONAL_ID", "PASSPORT", "ALIEN", "MILITARY"];

/// A customer before it is written.
#[derive(Debug, Clone)]
pub(super) struct Person {
    pub(super) id: String,
    pub(super) first: String,
    pub(super) middle: Option<String>,
    pub(super) last: String,
    pub(super) email: Option<String>,
    pub(super) phone: String,
    pub(super) born: Option<String>,
    pub(super) gender: Option<&'static str>,
    pub(super) id_type: &'static str,
    pub(super) id_number: String,
}

/// Everything left to chance, from one seed.
pub(super) struct Chance(StdRng);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Chance(StdRng::seed_from_u64(seed))
    }

    /// True in `percent` of 100 cases.
    pub(super) fn percent(&mut self, percent: u32) -> bool {
        self.0.random_range(0..100) < percent
    }

    /// A whole number in this range.
    pub(super) fn between(&mut self, least: u32, most: u32) -> u32 {
        self.0.random_range(least..=most)
    }

    /// A random id, as MicroBima's application makes them.
    pub(super) fn id(&mut self) -> String {
        uuid::Builder::from_random_bytes(self.0.random())
            .into_uuid()
            .to_string()
    }

    pub(super) fn phone(&mut self) -> String {
        let number = format!("7{:08}", self.between(0, 99_999_999));
        match self.between(0, 9) {
            0 => format!("254{number}"),
            1 => format!("+254 ({}) {}-{}", &number[..3], &number[3..6], &number[6..]),
            _ => format!("0{number}"),
        }
    }

    /// A new person; `number` makes the unique columns unique.
    pub(super) fn person(&mut self, number: u32) -> Person {
        let first = self.pick(&FIRST).to_owned();
        let last = self.pick(&LAST).to_owned();
        let email = self
            .percent(60)
            .then(|| format!("member{number}@example.co.ke"));
        Person {
            id: self.id(),
            middle: self.percent(40).then(|| self.pick(&MIDDLE).to_owned()),
            phone: self.phone(),
            born: self.percent(90).then(|| {
                format!(
                    "{}-{:02}-{:02}",
                    self.between(1945, 2007),
                    self.between(1, 12),
                    self.between(1, 28)
                )
            }),
            gender: *self.pick_from(&GENDERS),
            id_type: self.pick(&ID_TYPES),
            id_number: format!("{:08}", 10_000_000 + number),
            first,
            last,
            email,
        }
    }

    pub(super) fn last_name(&mut self) -> &'static str {
        self.pick(&LAST)
    }

    fn pick(&mut self, from: &[&'static str]) -> &'static str {
        from.choose(&mut self.0).copied().unwrap_or_default()
    }

    fn pick_from<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.0.random_range(0..from.len())]
    }
}
