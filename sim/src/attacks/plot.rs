//! Pictures of measured lines, as SVG that any browser shows: axes, lines, points, and bars for the uncertainty.

use std::fmt::Write as _;

use super::{Plot, Point, outcome::figure};

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 78.0;
const RIGHT: f64 = 18.0;
const TOP: f64 = 46.0;
const BOTTOM: f64 = 56.0;
/// Marks along an axis.
const TICKS: u32 = 5;
/// Colours that are told apart by people who see few (Okabe and Ito 2008).
const COLOURS: [&str; 6] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9",
];

/// Draws a picture.
pub(super) fn svg(plot: &Plot) -> String {
    let points = || plot.series.iter().flat_map(|series| &series.points);
    let x = Axis::over(points().map(|point| point.x));
    let y = Axis::over(points().flat_map(|point| {
        let ends = point.interval.map_or([point.y; 2], |it| [it.low, it.high]);
        ends.into_iter().chain([0.0])
    }));
    let at = |px: f64, py: f64| {
        (
            LEFT + x.place(px) * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - y.place(py) * (HEIGHT - TOP - BOTTOM),
        )
    };
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n"
    );
    text(&mut out, (LEFT, 20.0), "start", &plot.title);
    text(
        &mut out,
        ((LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 14.0),
        "middle",
        plot.x,
    );
    add(
        &mut out,
        &format!(
            "<text x=\"16\" y=\"{0}\" text-anchor=\"middle\" transform=\"rotate(-90 16 {0})\">{1}</text>",
            (TOP + HEIGHT - BOTTOM) / 2.0,
            escaped(plot.y)
        ),
    );
    for tick in 0..=TICKS {
        let share = f64::from(tick) / f64::from(TICKS);
        let (px, _) = at(x.value(share), y.low);
        let (_, py) = at(x.low, y.value(share));
        add(
            &mut out,
            &format!(
                "<path d=\"M{LEFT} {py:.1}H{}\" stroke=\"#ddd\"/>",
                WIDTH - RIGHT
            ),
        );
        text(
            &mut out,
            (LEFT - 6.0, py + 4.0),
            "end",
            &figure(y.value(share)),
        );
        text(
            &mut out,
            (px, HEIGHT - BOTTOM + 18.0),
            "middle",
            &figure(x.value(share)),
        );
    }
    for (number, series) in plot.series.iter().enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        let path: Vec<_> = series
            .points
            .iter()
            .map(|point| at(point.x, point.y))
            .map(|(px, py)| format!("{px:.1} {py:.1}"))
            .collect();
        add(
            &mut out,
            &format!(
                "<path d=\"M{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>",
                path.join("L")
            ),
        );
        for Point {
            x: px,
            y: py,
            interval,
        } in &series.points
        {
            let (cx, cy) = at(*px, *py);
            add(
                &mut out,
                &format!("<circle cx=\"{cx:.1}\" cy=\"{cy:.1}\" r=\"3\" fill=\"{colour}\"/>"),
            );
            if let Some(it) = interval {
                let ((_, low), (_, high)) = (at(*px, it.low), at(*px, it.high));
                add(
                    &mut out,
                    &format!("<path d=\"M{cx:.1} {low:.1}V{high:.1}\" stroke=\"{colour}\"/>"),
                );
            }
        }
        // As many lines as a picture shows fit a byte.
        let row = 36.0 + 15.0 * f64::from(number as u8);
        add(
            &mut out,
            &format!(
                "<rect x=\"{}\" y=\"{}\" width=\"10\" height=\"3\" fill=\"{colour}\"/>",
                LEFT + 8.0,
                row + 12.0
            ),
        );
        text(&mut out, (LEFT + 24.0, row + 18.0), "start", &series.label);
    }
    out.push_str("</svg>\n");
    out
}

/// The values along one side of a picture.
struct Axis {
    low: f64,
    high: f64,
}

impl Axis {
    fn over(values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        });
        if low < high {
            Self { low, high }
        } else {
            let low = if low.is_finite() { low } else { 0.0 };
            Self {
                low,
                high: low + 1.0,
            }
        }
    }

    fn place(&self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low)
    }

    fn value(&self, share: f64) -> f64 {
        self.low + share * (self.high - self.low)
    }
}

fn text(out: &mut String, (x, y): (f64, f64), anchor: &str, words: &str) {
    add(
        out,
        &format!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>",
            escaped(words)
        ),
    );
}

fn add(out: &mut String, line: &str) {
    // Writing into memory never fails.
    writeln!(out, "{line}").ok();
}

fn escaped(words: &str) -> String {
    words
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
