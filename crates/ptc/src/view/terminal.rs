//! Pages for a terminal: marked lines, tables as wide as it is, ages in words.

use anstyle::{AnsiColor, Style};
use comfy_table::{ContentArrangement, Table, presets};
use ecr_pull_through_sync::report::Mark;
use jiff::{SignedDuration, Timestamp};
use terminal_size::{Width, terminal_size_of};

use crate::view::visible::one_line;

/// Text in the colour of a mark, if colours are wanted.
pub fn paint(mark: Mark, text: &str, color: bool) -> String {
    let style: Style = match mark {
        Mark::Added => AnsiColor::Green.on_default(),
        Mark::Removed | Mark::Attention => AnsiColor::Red.on_default(),
        Mark::Changed => AnsiColor::Yellow.on_default(),
        Mark::Same => Style::new(),
    };
    if color {
        format!("{style}{text}{style:#}")
    } else {
        text.to_owned()
    }
}

/// A page, line by line. No text from outside begins a line of its own, or moves the cursor.
pub struct Page {
    /// The lines so far.
    pub text: String,
    color: bool,
    /// Of the terminal. Elsewhere a line is as long as it is.
    width: Option<usize>,
}

impl Page {
    /// An empty page.
    pub fn new(color: bool) -> Self {
        let width = terminal_size_of(std::io::stdout()).map(|(Width(width), _)| usize::from(width));
        let text = String::new();
        Self { text, color, width }
    }

    /// A line in the colour of its mark.
    pub fn line(&mut self, mark: Mark, line: &str) {
        let line = paint(mark, &one_line(line), self.color);
        self.text.push_str(&line);
        self.text.push('\n');
    }

    /// A sentence, or several: it is wrapped.
    pub fn prose(&mut self, mark: Mark, text: &str) {
        for line in wrap(&one_line(text), self.width) {
            self.text.push_str(&paint(mark, &line, self.color));
            self.text.push('\n');
        }
    }

    /// A sentence that begins with a coloured word: `warning: ...`.
    pub fn said(&mut self, mark: Mark, word: &str, line: &str) {
        let text = wrap(&one_line(&format!("{word}: {line}")), self.width).join("\n");
        let rest = text.strip_prefix(word).unwrap_or_default();
        self.text
            .push_str(&format!("{}{rest}\n", paint(mark, word, self.color)));
    }

    /// Sentences of which the first has the mark for attention.
    pub fn attention(&mut self, lines: &[String]) {
        for (n, line) in lines.iter().enumerate() {
            match n {
                0 => self.prose(Mark::Attention, &format!("! {line}")),
                _ => self.line(Mark::Attention, line),
            }
        }
    }

    /// An empty line.
    pub fn gap(&mut self) {
        self.text.push('\n');
    }

    /// A table, with the words that its lines may begin with in colour.
    pub fn table(&mut self, head: &[&str], rows: impl IntoIterator<Item = Vec<String>>, marks: &[(&str, Mark)]) {
        let width = self.width.and_then(|width| u16::try_from(width).ok());
        self.text
            .push_str(&paint_first(&render(head, rows, width), marks, self.color));
    }
}

/// In the place of a space where no line may end. Text from outside has none: it would be written out.
const GLUE: &str = "\u{1f}";

/// The lines of a sentence. What may be copied stays whole: a word however long, a command in backquotes.
fn wrap(text: &str, width: Option<usize>) -> Vec<String> {
    let Some(width) = width else {
        return vec![text.to_owned()];
    };
    let options = textwrap::Options::new(width)
        .subsequent_indent("  ")
        .break_words(false)
        .word_splitter(textwrap::WordSplitter::NoHyphenation);
    let parts = text.split('`').enumerate();
    let parts = parts.map(|(n, part)| {
        if n % 2 == 1 {
            part.replace(' ', GLUE)
        } else {
            part.to_owned()
        }
    });
    let text = parts.collect::<Vec<_>>().join("`");
    let lines = textwrap::wrap(&text, options);
    lines.into_iter().map(|line| line.replace(GLUE, " ")).collect()
}

/// A table without lines; nothing where there are no rows. Without a width, a line is as long as it is.
fn render(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>, width: Option<u16>) -> String {
    let rows: Vec<Vec<String>> = rows.into_iter().collect();
    if rows.is_empty() {
        return String::new();
    }
    // A column that says nothing takes no room.
    let says = |column: usize| {
        rows.iter()
            .any(|row| row.get(column).is_some_and(|cell| !cell.is_empty()))
    };
    let kept: Vec<usize> = (0..head.len()).filter(|column| says(*column)).collect();
    let pick = |cells: &dyn Fn(usize) -> Option<String>| -> Vec<String> {
        kept.iter().map(|column| cells(*column).unwrap_or_default()).collect()
    };
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    if let Some(width) = width {
        table
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(width);
    }
    table.set_header(pick(&|column| head.get(column).map(|word| word.to_uppercase())));
    for row in &rows {
        table.add_row(pick(&|column| row.get(column).map(|cell| one_line(cell))));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// Colours the first word of each line that begins with one of these.
fn paint_first(text: &str, marks: &[(&str, Mark)], color: bool) -> String {
    let painted = text.lines().map(|line| {
        let found = marks.iter().find_map(|(word, mark)| {
            let rest = line
                .strip_prefix(word)
                .filter(|rest| rest.is_empty() || rest.starts_with(' '))?;
            Some(paint(*mark, word, color) + rest)
        });
        found.unwrap_or_else(|| line.to_owned()) + "\n"
    });
    painted.collect()
}

/// A little later than now is now: two clocks are never quite the same.
const SKEW: SignedDuration = SignedDuration::from_secs(5);

/// How long ago something was: `3 h ago`. A time in the future is shown as such: one of the clocks is wrong.
pub fn age(then: Timestamp, now: Timestamp) -> String {
    let passed = now.duration_since(then);
    if passed < -SKEW {
        return format!("{} in the future, by this machine's clock", span(-passed));
    }
    match passed.as_secs() {
        ..10 => "just now".to_owned(),
        _ => format!("{} ago", span(passed)),
    }
}

/// The largest unit there is more than one of.
fn span(passed: SignedDuration) -> String {
    match passed.as_secs() {
        seconds @ ..120 => format!("{seconds} s"),
        seconds @ ..7_200 => format!("{} min", seconds / 60),
        seconds @ ..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(message: &str) -> Vec<Vec<String>> {
        let row = |cells: [&str; 4]| cells.map(str::to_owned).to_vec();
        vec![row(["ready", "hub", "", ""]), row(["failed", "gitlab", "", message])]
    }

    #[test]
    fn columns_are_as_wide_as_they_must_be_and_empty_ones_are_left_out() {
        let head = ["state", "registry", "since", "message"];
        assert_eq!(
            render(&head, rows("no token"), None),
            "STATE   REGISTRY  MESSAGE\nready   hub\nfailed  gitlab    no token\n"
        );
        assert_eq!(
            render(&head, rows(""), None),
            "STATE   REGISTRY\nready   hub\nfailed  gitlab\n"
        );
        assert_eq!(render(&head, Vec::new(), None), "");
    }

    #[test]
    fn a_narrow_terminal_breaks_the_long_column() {
        let text = render(
            &["state", "registry", "since", "message"],
            rows(&"word ".repeat(20)),
            Some(40),
        );
        assert!(text.lines().all(|line| line.chars().count() <= 40), "{text}");
        assert_eq!(text.matches("word").count(), 20);
    }

    #[test]
    fn a_sentence_is_wrapped_and_what_may_be_copied_stays_whole() {
        let text = "upload this one with `aws s3 cp a s3://b/c` or by hand";
        assert_eq!(wrap(text, None), [text]);
        let lines = ["upload this", "  one with", "  `aws s3 cp a s3://b/c`", "  or by hand"];
        assert_eq!(wrap(text, Some(12)), lines);
    }

    #[test]
    fn a_cell_moves_no_cursor_and_ends_no_line() {
        let text = render(
            &["state", "registry", "since", "message"],
            rows("a\u{1b}[2Jb\nc\u{202e}"),
            None,
        );
        assert!(text.contains("a\\u{1b}[2Jb c\\u{202e}"), "{text}");
    }

    #[test]
    fn only_the_first_word_is_coloured() {
        let text = paint_first("failed  failed\nfailedx\n", &[("failed", Mark::Attention)], true);
        assert_eq!(text, "\u{1b}[31mfailed\u{1b}[0m  failed\nfailedx\n");
    }

    #[test]
    fn ages_are_in_the_largest_unit_that_says_enough() {
        let now: Timestamp = "2026-11-25T12:00:00Z".parse().unwrap();
        for (then, words) in [
            ("2026-11-25T12:00:03Z", "just now"),
            ("2026-11-25T11:59:55Z", "just now"),
            ("2026-11-25T11:58:30Z", "90 s ago"),
            ("2026-11-25T11:00:00Z", "60 min ago"),
            ("2026-11-25T08:59:00Z", "3 h ago"),
            ("2026-11-01T00:00:00Z", "24 days ago"),
            ("2026-11-25T12:05:00Z", "5 min in the future, by this machine's clock"),
        ] {
            assert_eq!(age(then.parse().unwrap(), now), words, "{then}");
        }
    }
}
