//! Licence expressions: `MIT OR (Apache-2.0 AND BSD-3-Clause)`, and the older `MIT/Apache-2.0`.

/// Whether the allowed licences are enough for the expression.
pub(super) fn is_met(expression: &str, allowed: &[String]) -> bool {
    let spaced =
        expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ").replace(',', " ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut reader = Reader { words: &words, allowed };
    !words.is_empty() && reader.any() && reader.words.is_empty()
}

/// Reads the expression and weighs it in one go.
struct Reader<'a> {
    words: &'a [&'a str],
    allowed: &'a [String],
}

impl Reader<'_> {
    fn take(&mut self, word: &str) -> bool {
        let begins = self.words.first() == Some(&word);
        if begins {
            self.words = &self.words[1..];
        }
        begins
    }

    /// `a OR b`: both sides are read, whatever the first says.
    fn any(&mut self) -> bool {
        let mut met = self.all();
        while self.take("OR") {
            met |= self.all();
        }
        met
    }

    fn all(&mut self) -> bool {
        let mut met = self.one();
        while self.take("AND") {
            met &= self.one();
        }
        met
    }

    fn one(&mut self) -> bool {
        if self.take("(") {
            let met = self.any();
            return self.take(")") && met;
        }
        let Some((name, rest)) = self.words.split_first() else { return false };
        self.words = rest;
        let exact = self.allowed.iter().any(|allowed| allowed == name);
        // An exception only ever permits more.
        if self.take("WITH") {
            let Some((_, rest)) = self.words.split_first() else { return false };
            self.words = rest;
        }
        exact
    }
}
