//! Addresses as people may see them.

/// An address without its password, for people and logs. A text that is no address and holds no `@` is shown as it is.
pub fn mask_url(url: &str) -> String {
    let hidden = |scheme: &str| format!("{scheme}:***");
    let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
    let Ok(mut parsed) = url::Url::parse(url) else {
        // What cannot be parsed may hold a password anywhere.
        return match url.contains('@') || url.contains("://") {
            true => hidden(scheme),
            false => url.to_owned(),
        };
    };
    if parsed.cannot_be_a_base() {
        return match url.contains('@') {
            true => hidden(scheme),
            false => url.to_owned(),
        };
    }
    let mut masked = false;
    if parsed.password().is_some() {
        if parsed.set_password(Some("***")).is_err() {
            return hidden(scheme);
        }
        masked = true;
    }
    let pairs: Vec<(String, String)> = parsed.query_pairs().into_owned().collect();
    if pairs.iter().any(|(name, _)| is_secret(name)) {
        parsed
            .query_pairs_mut()
            .clear()
            .extend_pairs(pairs.iter().map(|(name, value)| match is_secret(name) {
                true => (name.as_str(), "***"),
                false => (name.as_str(), value.as_str()),
            }));
        masked = true;
    }
    // Unmasked, the text stays as it was written: parsing adds slashes.
    if masked {
        parsed.to_string()
    } else {
        url.to_owned()
    }
}

fn is_secret(parameter: &str) -> bool {
    let parameter = parameter.to_lowercase();
    ["password", "secret", "token", "key"]
        .iter()
        .any(|word| parameter.contains(word))
}
