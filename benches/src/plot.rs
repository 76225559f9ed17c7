//! Curves on two logarithmic axes, as SVG.

use std::fmt::Write as _;

/// A curve of a panel. Curves of one group have one colour, and those of one member one way of being drawn.
pub struct Curve {
    /// In the legend.
    pub name: String,
    /// Whose it is.
    pub group: usize,
    /// Which of theirs it is.
    pub member: usize,
    /// From left to right.
    pub points: Vec<(f64, f64)>,
}

/// Curves over the same range.
pub struct Panel {
    /// Of the axis below.
    pub label: &'static str,
    /// What is drawn.
    pub curves: Vec<Curve>,
}

const COLOURS: [&str; 2] = ["#0b6e4f", "#c1440e"];
const DASHES: [&str; 4] = ["none", "6 3", "2 3", "none"];
const WIDTHS: [f64; 4] = [1.5, 1.5, 1.5, 3.0];

/// Of the frame of one panel.
const WIDTH: f64 = 320.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 70.0;
const TOP: f64 = 20.0;
/// For the axis, its label and the legend.
const BELOW: f64 = 140.0;

/// Draws panels beside each other; all have the same axis upwards.
pub fn plot(upwards: &str, panels: &[Panel]) -> String {
    let ys = panels.iter().flat_map(|panel| &panel.curves);
    let ys = Axis::over(ys.flat_map(|curve| curve.points.iter().map(|&(_, y)| y)));
    let width = LEFT + panels.len() as f64 * (WIDTH + LEFT);
    let height = TOP + HEIGHT + BELOW;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" \
         font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for (index, panel) in panels.iter().enumerate() {
        let left = LEFT + index as f64 * (WIDTH + LEFT);
        draw(&mut svg, panel, &ys, left, upwards);
    }
    legend(&mut svg, panels);
    svg + "</svg>\n"
}

/// From a power of ten to another.
struct Axis {
    from: i32,
    to: i32,
}

impl Axis {
    fn over(values: impl Iterator<Item = f64> + Clone) -> Self {
        let positive = values.filter(|&value| value > 0.0);
        let least = positive.clone().fold(f64::INFINITY, f64::min);
        let most = positive.fold(1.0, f64::max);
        Axis {
            from: least.min(most).log10().floor() as i32,
            to: (most.log10().ceil() as i32).max(1),
        }
    }

    /// How far along a value lies, between 0 and 1. What noise has made negative lies at the beginning.
    fn place(&self, value: f64) -> f64 {
        let from = f64::from(self.from);
        let place = (value.max(1e-9).log10() - from) / (f64::from(self.to) - from);
        place.clamp(0.0, 1.0)
    }

    fn ticks(&self) -> impl Iterator<Item = f64> + use<> {
        (self.from..=self.to).map(|power| 10_f64.powi(power))
    }
}

fn draw(svg: &mut String, panel: &Panel, ys: &Axis, left: f64, upwards: &str) {
    let xs = panel.curves.iter();
    let xs = Axis::over(xs.flat_map(|curve| curve.points.iter().map(|&(x, _)| x)));
    let x = |value| left + WIDTH * xs.place(value);
    let y = |value| TOP + HEIGHT * (1.0 - ys.place(value));
    let (right, bottom) = (left + WIDTH, TOP + HEIGHT);
    let mut put = |text: String| svg.push_str(&(text + "\n"));
    for tick in ys.ticks() {
        let at = y(tick);
        put(format!(
            "<path d=\"M{left} {at:.1}H{right}\" stroke=\"#ddd\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{tick}</text>",
            left - 6.0,
            at + 4.0
        ));
    }
    for tick in xs.ticks() {
        let at = x(tick);
        put(format!(
            "<path d=\"M{at:.1} {TOP}V{bottom}\" stroke=\"#ddd\"/><text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{tick}</text>",
            bottom + 16.0
        ));
    }
    put(format!(
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
        left + WIDTH / 2.0,
        bottom + 34.0,
        panel.label
    ));
    let middle = TOP + HEIGHT / 2.0;
    let beside = left - 48.0;
    put(format!(
        "<text x=\"{beside}\" y=\"{middle}\" text-anchor=\"middle\" transform=\"rotate(-90 {beside} {middle})\">{upwards}</text>"
    ));
    for curve in &panel.curves {
        let points = curve.points.iter();
        let points: Vec<_> = points
            .map(|&(at, ns)| format!("{:.1},{:.1}", x(at), y(ns)))
            .collect();
        put(format!(
            "<polyline points=\"{}\" {}/>",
            points.join(" "),
            stroke(curve)
        ));
    }
}

fn stroke(curve: &Curve) -> String {
    format!(
        "fill=\"none\" stroke=\"{}\" stroke-width=\"{}\" stroke-dasharray=\"{}\"",
        COLOURS[curve.group], WIDTHS[curve.member], DASHES[curve.member]
    )
}

/// One for all panels, which have the same curves.
fn legend(svg: &mut String, panels: &[Panel]) {
    for curve in panels.first().iter().flat_map(|panel| &panel.curves) {
        let x = LEFT + curve.group as f64 * (WIDTH + LEFT);
        let y = TOP + HEIGHT + 60.0 + curve.member as f64 * 18.0;
        let _infallible = writeln!(
            svg,
            "<path d=\"M{x} {y}h40\" {}/><text x=\"{}\" y=\"{}\">{}</text>",
            stroke(curve),
            x + 48.0,
            y + 4.0,
            curve.name
        );
    }
}
