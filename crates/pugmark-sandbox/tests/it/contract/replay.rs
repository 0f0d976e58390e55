//! Plays recordings of one group against sandboxes, one per state of repair, in the order in which they were made.

use std::collections::HashMap;

use md5::{Digest, Md5};
use pugmark_sandbox::{ManualClock, Variant, VtigerSandbox};
use serde_json::Value;

use super::compare;
use super::recording::Recording;
use super::setting;
use crate::raw::{self, Answer};

/// One server of the group, and what recorded names stand for on it.
pub(crate) struct Place {
    pub(crate) sandbox: VtigerSandbox,
    pub(crate) clock: ManualClock,
    /// Recorded session name -> ours.
    pub(crate) sessions: HashMap<String, String>,
    /// Recorded token -> ours.
    tokens: Vec<(String, String)>,
    /// Recorded access key -> ours.
    keys: Vec<(String, String)>,
}

/// The servers of a chapter: of groups that were recorded one after the other on the same records.
pub(crate) struct Replay {
    chapter: &'static str,
    places: HashMap<String, Place>,
}

impl Replay {
    pub(crate) fn new(chapter: &'static str) -> Self {
        Self {
            chapter,
            places: HashMap::new(),
        }
    }

    /// Sends a recorded request and compares the answer.
    pub(crate) async fn play(&mut self, recording: &Recording) -> Result<(), String> {
        let variant = setting::variant(recording);
        if setting::begins_anew(recording) || !self.places.contains_key(variant) {
            let place = Place::start(self.chapter, variant).await;
            self.places.insert(variant.to_owned(), place);
        }
        let place = self.places.get_mut(variant).unwrap();
        setting::prepare(place, recording).await;
        place.follow_time(recording);
        place.adopt_session(recording).await;
        let answer = place.send(recording).await;
        place.learn(recording, &answer);
        compare::alike(recording, &answer)
    }
}

impl Place {
    async fn start(chapter: &str, variant: &str) -> Self {
        let clock = ManualClock::new("2026-11-21T06:30:00Z".parse().unwrap());
        let builder =
            setting::installation(chapter).clock(pugmark_sandbox::Clock::Manual(clock.clone()));
        let sandbox = builder
            .variant(match variant {
                "" => Variant::Stock,
                "repaired" => Variant::Repaired,
                "display-errors-on" => Variant::DisplayErrors,
                "roleid-db-fix" => Variant::RoleidDbFix,
                other => panic!("unknown variant {other}"),
            })
            .start()
            .await
            .unwrap();
        Self {
            sandbox,
            clock,
            sessions: HashMap::new(),
            tokens: Vec::new(),
            keys: setting::KEYS
                .iter()
                .map(|(_, key)| ((*key).to_owned(), (*key).to_owned()))
                .collect(),
        }
    }

    /// Records get the number they had, and writes happen when they happened.
    fn follow_time(&self, recording: &Recording) {
        let Some(record) = recording.answered_record() else {
            return;
        };
        if recording.operation() == "create"
            && let Some(number) = record["id"]
                .as_str()
                .and_then(|id| id.split_once('x'))
                .map(|(_, number)| number)
        {
            let number = number.parse().unwrap();
            match recording.parameter("elementType") {
                Some("Users") => setting::skip_to_user_number(&self.sandbox, number),
                _ => self.sandbox.skip_to_record_number(number),
            }
        }
        if let Some(time) = record.get("modifiedtime").and_then(Value::as_str) {
            self.clock.set(setting::moment(time));
        }
    }

    /// A recorded session that no recorded login opened gets one now, unless the recording is about its absence.
    async fn adopt_session(&mut self, recording: &Recording) {
        let named = recording.parameter("sessionName").unwrap_or_default();
        let refused = recording.answer["error"]["code"]
            .as_str()
            .unwrap_or_default();
        let about_absence = matches!(refused, "INVALID_SESSIONID" | "AUTHENTICATION_FAILURE");
        if (20..=21).contains(&named.len()) && !self.sessions.contains_key(named) && !about_absence
        {
            let session = self.log_in(setting::user_of(named)).await;
            self.sessions.insert(named.to_owned(), session);
        }
    }

    pub(crate) async fn log_in(&self, user: &str) -> String {
        let (_, key) = setting::KEYS
            .iter()
            .find(|(name, _)| *name == user)
            .unwrap();
        let answer = raw::log_in_quietly(self.sandbox.port(), user, key).await;
        answer["result"]["sessionName"].as_str().unwrap().to_owned()
    }

    async fn send(&self, recording: &Recording) -> Answer {
        let query = self.pairs(recording, &recording.query);
        let target = if query.is_empty() {
            recording.path.clone()
        } else {
            format!("{}?{query}", recording.path)
        };
        let mut headers: Vec<(String, String)> = recording
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), self.ours_inside(value)))
            .collect();
        let body = match &recording.body {
            Some(body) => self.ours_inside(body),
            None => {
                if recording.method == "POST" {
                    headers.push((raw::FORM.0.into(), raw::FORM.1.into()));
                }
                self.pairs(recording, &recording.form)
            }
        };
        let headers: Vec<(&str, &str)> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        raw::exchange(
            self.sandbox.port(),
            &recording.method,
            &target,
            &headers,
            body.as_bytes(),
        )
        .await
    }

    fn pairs(&self, recording: &Recording, pairs: &[(String, String)]) -> String {
        let ours: Vec<(String, String)> = pairs
            .iter()
            .map(|(name, value)| {
                (
                    name.clone(),
                    if name == "accessKey" {
                        self.our_key(recording, value)
                    } else {
                        self.ours(value)
                    },
                )
            })
            .collect();
        let ours: Vec<(&str, &str)> = ours
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        raw::form(&ours)
    }

    fn ours(&self, value: &str) -> String {
        self.sessions
            .get(value)
            .cloned()
            .unwrap_or_else(|| value.to_owned())
    }

    fn ours_inside(&self, text: &str) -> String {
        self.sessions
            .iter()
            .fold(text.to_owned(), |text, (theirs, ours)| {
                text.replace(theirs.as_str(), ours)
            })
    }

    /// A key computed from a recorded token is computed anew from ours.
    fn our_key(&self, recording: &Recording, recorded: &str) -> String {
        let digest = |token: &str, key: &str| hex::encode(Md5::digest(format!("{token}{key}")));
        let blanked = setting::blanked_key(recording);
        for (their_token, our_token) in &self.tokens {
            for (their_key, our_key) in &self.keys {
                let (theirs, ours) = (digest(their_token, their_key), digest(our_token, our_key));
                if theirs == recorded {
                    return ours;
                }
                if theirs.to_uppercase() == recorded {
                    return ours.to_uppercase();
                }
                if Some(their_key.as_str()) == blanked {
                    return ours;
                }
            }
        }
        recorded.to_owned()
    }

    fn learn(&mut self, recording: &Recording, answer: &Answer) {
        let (theirs, ours) = (
            as_json(&recording.answer),
            as_json(&Value::String(answer.text())),
        );
        if let (Some(theirs), Some(ours)) = (
            theirs["result"]["token"].as_str(),
            ours["result"]["token"].as_str(),
        ) {
            self.tokens.push((theirs.to_owned(), ours.to_owned()));
        }
        if let (Some(theirs), Some(ours)) = (
            theirs["result"]["accesskey"].as_str(),
            ours["result"]["accesskey"].as_str(),
        ) {
            self.keys.push((theirs.to_owned(), ours.to_owned()));
        }
        let session = |json: &Value| json["result"]["sessionName"].as_str().map(str::to_owned);
        if let (Some(theirs), Some(ours)) = (session(&theirs), session(&ours)) {
            self.sessions.entry(theirs).or_insert(ours);
        }
    }
}

/// The JSON in a body, also behind noise.
fn as_json(body: &Value) -> Value {
    match body {
        Value::String(text) => text
            .find("{\"success\":")
            .and_then(|at| serde_json::from_str(&text[at..]).ok())
            .unwrap_or_default(),
        json => json.clone(),
    }
}
