//! The chart for the README: requests, logins and tokens per second, each beside the least that could do the same.

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::coord::ranged1d::SegmentValue;
use plotters::drawing::DrawingAreaErrorKind;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::cases::Case;
use super::figures::{CaseFigures, Figures, Ratio};

/// Pixels.
const SIZE: (u32, u32) = (860, 680);
/// What is ours.
const OURS: RGBColor = RGBColor(37, 99, 235);
/// What it is compared with.
const LEAST: RGBColor = RGBColor(160, 170, 184);
/// Lines behind the bars.
const GRID: RGBColor = RGBColor(226, 230, 236);
/// Between a bar and its figure, as a part of the tallest bar.
const GAP: f64 = 0.015;
/// Room above the tallest bar, for its figure.
const HEADROOM: f64 = 1.15;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Failure = DrawingAreaErrorKind<std::io::Error>;

/// A part of the chart.
struct Panel {
    title: &'static str,
    cases: &'static [Case],
    ours: &'static [Case],
}

/// Side by side.
const UPPER: [Panel; 2] = [
    Panel {
        title: "Requests per second",
        cases: &[Case::Bare, Case::Row, Case::Handed, Case::Movies],
        ours: &[Case::Movies],
    },
    Panel { title: "Logins per second", cases: &[Case::Raw, Case::Login], ours: &[Case::Login] },
];
/// Below, as wide as both.
const LOWER: Panel = Panel {
    title: "Token endpoints, per second",
    cases: &[
        Case::ClientFloor,
        Case::Client,
        Case::RefreshFloor,
        Case::Refresh,
        Case::CodeFloor,
        Case::Code,
        Case::IntrospectFloor,
        Case::Introspect,
        Case::RevokeFloor,
        Case::Revoke,
    ],
    ours: &[Case::Client, Case::Refresh, Case::Code, Case::Introspect, Case::Revoke],
};

/// Draws it.
///
/// # Errors
/// When the drawing fails, which for text is never.
pub fn svg(figures: &Figures) -> Result<String> {
    let mut text = String::new();
    draw(figures, &mut text).map_err(|error| anyhow!("cannot draw the chart: {error}"))?;
    Ok(text)
}

fn draw(figures: &Figures, into: &mut String) -> Result<(), Failure> {
    let root = SVGBackend::with_string(into, SIZE).into_drawing_area();
    // Not transparent: pages may be dark.
    root.fill(&WHITE)?;
    let (upper, lower) = root.split_vertically(SIZE.1 / 2);
    let (left, right) = upper.split_horizontally(SIZE.0 * 3 / 5);
    for (area, panel) in [left, right].iter().zip(&UPPER) {
        draw_panel(figures, panel, area)?;
    }
    draw_panel(figures, &LOWER, &lower)?;
    root.present()
}

fn draw_panel(figures: &Figures, panel: &Panel, area: &Area<'_>) -> Result<(), Failure> {
    let bars: Vec<&CaseFigures> =
        panel.cases.iter().filter_map(|case| figures.cases.iter().find(|figures| figures.case == *case)).collect();
    let tallest = bars.iter().map(|bar| bar.median.per_second).fold(1.0, f64::max);
    let last = bars.len().saturating_sub(1);
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .caption(title(figures, panel), ("sans-serif", 17))
        .x_label_area_size(44)
        .y_label_area_size(60)
        .build_cartesian_2d((0..last).into_segmented(), 0.0..tallest * HEADROOM)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(GRID)
        .y_labels(6)
        .y_label_formatter(&|value| thousands(*value))
        .x_labels(bars.len())
        .x_label_formatter(&|at| match at {
            SegmentValue::CenterOf(bar) => bars.get(*bar).map_or_else(String::new, |bar| label(bar.case).to_owned()),
            _ => String::new(),
        })
        .label_style(("sans-serif", 14))
        .draw()?;
    chart.draw_series(bars.iter().enumerate().map(|(at, bar)| {
        let colour = if panel.ours.contains(&bar.case) { OURS } else { LEAST };
        let corners = [(SegmentValue::Exact(at), 0.0), (SegmentValue::Exact(at + 1), bar.median.per_second)];
        let mut bar = Rectangle::new(corners, colour.filled());
        bar.set_margin(0, 0, 18, 18);
        bar
    }))?;
    let above = TextStyle::from(("sans-serif", 15).into_font()).pos(Pos::new(HPos::Center, VPos::Bottom));
    chart.draw_series(bars.iter().enumerate().map(|(at, bar)| {
        let top = (SegmentValue::CenterOf(at), bar.median.per_second + tallest * GAP);
        Text::new(thousands(bar.median.per_second), top, above.clone())
    }))?;
    Ok(())
}

/// `Requests per second (movies is 93 % of row)`, or without the floor's name where there are several. What has no aim is
/// left to the table.
fn title(figures: &Figures, panel: &Panel) -> String {
    let ratios = figures.ratios.iter().filter(|ratio| panel.ours.contains(&ratio.ours) && ratio.aim.is_some());
    let told: Vec<String> = ratios
        .map(|Ratio { ours, least, value, .. }| match panel.ours {
            [_] => format!("{} is {:.0} % of {}", ours.name(), value * 100.0, least.name()),
            _ => format!("{} {:.0} %", ours.name(), value * 100.0),
        })
        .collect();
    if told.is_empty() { panel.title.to_owned() } else { format!("{} ({})", panel.title, told.join(", ")) }
}

/// What stands below a bar; a floor stands beside what it is the floor of.
fn label(case: Case) -> &'static str {
    match case {
        Case::ClientFloor | Case::RefreshFloor | Case::CodeFloor | Case::IntrospectFloor | Case::RevokeFloor => "floor",
        other => other.name(),
    }
}

/// `12 345`.
fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_stand_in_groups_of_three() {
        assert_eq!(thousands(5.4), "5");
        assert_eq!(thousands(123.0), "123");
        assert_eq!(thousands(1_234_567.0), "1\u{202f}234\u{202f}567");
    }
}
