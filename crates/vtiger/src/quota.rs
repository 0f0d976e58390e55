//! Call limits as vTiger Cloud reports them with every answer.

use http::HeaderMap;
use jiff::Timestamp;

/// What the last answers said about the call limits. Open-source vTiger says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quota {
    /// Calls allowed per minute (`X-FloodControl-MinuteLimit`).
    pub minute_limit: Option<u64>,
    /// Calls left in this minute (`X-FloodControl-Remaining`).
    pub minute_remaining: Option<u64>,
    /// When the minute's count starts anew (`X-FloodControl-Reset`).
    pub minute_reset: Option<Timestamp>,
    /// Calls allowed per rolling day (`X-RateLimit-DailyLimit`).
    pub day_limit: Option<u64>,
    /// Calls left in the day (`X-RateLimit-Remaining`).
    pub day_remaining: Option<u64>,
}

impl Quota {
    /// Takes over what an answer's headers say; what they leave out stays as it was.
    pub(crate) fn learn(&mut self, headers: &HeaderMap) {
        let number =
            |name: &str| -> Option<i64> { headers.get(name)?.to_str().ok()?.trim().parse().ok() };
        let count = |name: &str| number(name).and_then(|value| u64::try_from(value).ok());
        self.minute_limit = count("x-floodcontrol-minutelimit").or(self.minute_limit);
        self.minute_remaining = count("x-floodcontrol-remaining").or(self.minute_remaining);
        self.minute_reset = number("x-floodcontrol-reset")
            .and_then(|seconds| Timestamp::from_second(seconds).ok())
            .or(self.minute_reset);
        self.day_limit = count("x-ratelimit-dailylimit").or(self.day_limit);
        self.day_remaining = count("x-ratelimit-remaining").or(self.day_remaining);
    }
}
