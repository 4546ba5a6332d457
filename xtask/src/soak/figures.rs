//! What a soak measures.

use serde::{Deserialize, Serialize};

/// One figure.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Figure {
    /// Of which part of the soak.
    pub part: String,
    /// What was measured, with its unit.
    pub name: String,
    /// How much it was; of several rounds the worst.
    pub value: f64,
    /// What it has to keep, where it has to keep anything.
    pub bound: Option<Bound>,
}

/// What a figure has to keep.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// No more than this.
    AtMost(f64),
    /// No less than this.
    AtLeast(f64),
}

impl Figure {
    /// A figure without a bound.
    pub fn new(part: &str, name: &str, value: f64) -> Self {
        Self { part: part.to_owned(), name: name.to_owned(), value, bound: None }
    }

    /// The same with a bound.
    pub fn at_most(self, bound: f64) -> Self {
        Self { bound: Some(Bound::AtMost(bound)), ..self }
    }

    /// The same with a bound.
    pub fn at_least(self, bound: f64) -> Self {
        Self { bound: Some(Bound::AtLeast(bound)), ..self }
    }

    /// Whether it keeps its bound.
    pub fn is_kept(&self) -> bool {
        match self.bound {
            None => true,
            Some(Bound::AtMost(bound)) => self.value <= bound,
            Some(Bound::AtLeast(bound)) => self.value >= bound,
        }
    }

    /// The worse of two rounds; where nothing is better or worse, the later one.
    pub fn or_worse(self, later: Self) -> Self {
        let is_worse = match later.bound {
            None => true,
            Some(Bound::AtMost(_)) => later.value > self.value,
            Some(Bound::AtLeast(_)) => later.value < self.value,
        };
        if is_worse { later } else { Self { value: self.value, ..later } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_rounds_the_worse_counts() {
        let figure = |value| Figure::new("part", "name", value);
        assert_eq!(figure(1.0).at_most(9.0).or_worse(figure(2.0).at_most(8.0)), figure(2.0).at_most(8.0));
        assert_eq!(figure(3.0).at_most(9.0).or_worse(figure(2.0).at_most(8.0)), figure(3.0).at_most(8.0));
        assert_eq!(figure(1.0).at_least(0.0).or_worse(figure(2.0).at_least(0.0)), figure(1.0).at_least(0.0));
        assert_eq!(figure(1.0).or_worse(figure(2.0)), figure(2.0));
        assert!(!figure(2.0).at_most(1.0).is_kept() && figure(1.0).at_least(1.0).is_kept());
    }
}
