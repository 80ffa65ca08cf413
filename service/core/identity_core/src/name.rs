//! What people, tenants and others are called.

/// Characters of a name.
pub const NAME_MAX: usize = 200;

/// A name as it is stored and shown, of what somebody else calls them: one line, and no longer than a name may be.
pub fn name_of(text: &str) -> String {
    text.chars().filter(|one| !one.is_control()).take(NAME_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_line_of_some_length() {
        assert_eq!(name_of("Ann\r\nBcc: x"), "AnnBcc: x");
        assert_eq!(name_of(&"é".repeat(201)), "é".repeat(200));
    }
}
