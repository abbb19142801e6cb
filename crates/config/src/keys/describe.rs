//! How the keys of a map in the file are known and described.
//!
//! A table of keys is an enum, and the only place that knows their names. The reader matches on the enum, so a key
//! without a reader does not compile, nor a reader without a key; and a key cannot be listed without being described.
//! The JSON Schema and the reference are made from the same table ([`crate::schema`], [`crate::schema::reference`]).

/// What holds where a key is absent, or null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Absent {
    /// It must be there.
    Required,
    Words(&'static str),
    Json(&'static str),
}

/// A key as people and editors are told about it. Texts are Markdown.
pub(crate) struct About {
    pub name: &'static str,
    /// What it is for: half a sentence, for a table.
    pub brief: String,
    /// What holds without it.
    pub absent: Absent,
    /// Everything else there is to know: whole sentences, or nothing.
    pub rules: String,
}

/// The keys of one kind of map.
pub(crate) trait Key: Copy + PartialEq + 'static {
    /// All of them, in the order in which they are told.
    const ALL: &'static [Self];

    /// Their names, in the same order.
    const NAMES: &'static [&'static str];

    /// The key as it is written.
    fn name(self) -> &'static str;

    /// What holds without it.
    fn absent(self) -> Absent;

    fn about(self) -> About;

    /// The key of a name.
    fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|key| key.name() == name)
    }

    /// The keys that must be there.
    fn required() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|key| key.absent() == Absent::Required)
    }
}

/// Makes a table of keys. `brief` and `rules` are format strings: a limit in braces is the constant that is checked.
macro_rules! keys {
    ($(#[$doc:meta])* $table:ident {
        $($variant:ident = $name:literal {
            brief: $brief:literal,
            absent: $absent:expr,
            $(rules: $rules:literal,)?
        })+
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum $table { $($variant),+ }

        impl $table {
            /// The key as it is written.
            pub(crate) const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }
        }

        impl $crate::keys::describe::Key for $table {
            const ALL: &'static [Self] = &[$(Self::$variant),+];
            const NAMES: &'static [&'static str] = &[$($name),+];

            fn name(self) -> &'static str {
                self.as_str()
            }

            fn absent(self) -> $crate::keys::describe::Absent {
                match self { $(Self::$variant => $absent),+ }
            }

            fn about(self) -> $crate::keys::describe::About {
                match self {
                    $(Self::$variant => $crate::keys::describe::About {
                        name: $name,
                        brief: format_args!($brief).to_string(),
                        absent: $absent,
                        rules: String::new() $(+ &format_args!($rules).to_string())?,
                    }),+
                }
            }
        }
    };
}

pub(crate) use keys;
