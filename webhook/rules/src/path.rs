//! Where a value stands. Written out only where something is found: most values are as they should be.

use std::fmt;

/// A way from a part down to a value in it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Path<'a> {
    /// The part itself.
    Part,
    /// A field of what stands there.
    Field(&'a Path<'a>, &'a str),
    /// An item of the list that stands there.
    Item(&'a Path<'a>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Part => Ok(()),
            Self::Field(Self::Part, name) => to.write_str(name),
            Self::Field(above, name) => write!(to, "{above}.{name}"),
            Self::Item(above, number) => write!(to, "{above}[{number}]"),
        }
    }
}
