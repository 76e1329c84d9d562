//! Where each node stands on the map: this node in the middle, its links round it, other members outside.
//!
//! A node's key gives it a place of its own (bearing and depth within its ring), so that the same node is
//! found at the same spot on every visit. In small meshes nodes that would overlap push each other apart,
//! held by a spring to their own place: a newcomer moves only those it comes near. Larger meshes take the
//! places as they are, which costs nothing. The result depends on the keys alone.

use std::f64::consts::TAU;

use x0_crypto::PublicKey;

/// Width of the drawing, in its own units.
pub(super) const WIDTH: f64 = 1_000.0;
/// Height of the drawing.
pub(super) const HEIGHT: f64 = 800.0;

/// Most nodes that push each other apart: the work grows with the square of their number.
const RELAXED_MAX: usize = 300;
/// Rounds of pushing; a crowd of [`RELAXED_MAX`] has come to rest by then.
const ROUNDS: usize = 48;
/// Pull towards a node's own place in each round, as a share of the distance.
const SPRING: f64 = 0.08;
/// Push of one overlapping node on another in each round, as a share of the overlap.
const PUSH: f64 = 0.4;
/// Share of its room that a node keeps free of others.
const ROOM_SHARE: f64 = 0.9;
/// Half the drawing that is used; the rest is margin for names.
const SPREAD: f64 = 0.46;

/// A place on the drawing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
}

/// The middle of the drawing.
pub(super) const MIDDLE: Point = Point {
    x: WIDTH / 2.0,
    y: HEIGHT / 2.0,
};

/// Radii between which nodes of one kind stand, 1 being the edge.
#[derive(Clone, Copy, Debug)]
struct Ring {
    inner: f64,
    outer: f64,
}

const NEAR: Ring = Ring {
    inner: 0.40,
    outer: 0.56,
};
const FAR: Ring = Ring {
    inner: 0.76,
    outer: 1.0,
};

/// Places the links of this node and other members; returns the links' places first.
pub(super) fn place(near: &[PublicKey], far: &[PublicKey]) -> (Vec<Point>, Vec<Point>) {
    (arranged(near, NEAR), arranged(far, FAR))
}

fn arranged(keys: &[PublicKey], ring: Ring) -> Vec<Point> {
    let own: Vec<_> = keys.iter().map(|key| ring.own_place(key)).collect();
    let places = if keys.len() <= RELAXED_MAX {
        relaxed(&own, ring)
    } else {
        own
    };
    places.into_iter().map(drawn).collect()
}

/// Scales a place in the unit disc to the drawing.
fn drawn(place: Point) -> Point {
    Point {
        x: MIDDLE.x + place.x * WIDTH * SPREAD,
        y: MIDDLE.y + place.y * HEIGHT * SPREAD,
    }
}

impl Ring {
    /// Returns the place that a key gives.
    fn own_place(self, key: &PublicKey) -> Point {
        let [bearing_high, bearing_low, depth, ..] = *key.bytes();
        let turn = f64::from(u16::from_be_bytes([bearing_high, bearing_low])) / 65_536.0;
        let depth = f64::from(depth) / 255.0;
        let radius = self.inner + (self.outer - self.inner) * depth;
        let (sin, cos) = (turn * TAU).sin_cos();
        Point {
            x: cos * radius,
            y: sin * radius,
        }
    }

    /// Returns how far apart nodes should stand when so many share the ring.
    fn room(self, nodes: usize) -> f64 {
        let area = TAU / 2.0 * (self.outer * self.outer - self.inner * self.inner);
        let count = u32::try_from(nodes.max(8)).unwrap_or(u32::MAX);
        ROOM_SHARE * (area / f64::from(count)).sqrt()
    }

    /// Moves a place along its radius into the ring.
    fn held(self, place: Point) -> Point {
        let radius = place.x.hypot(place.y).max(f64::EPSILON);
        let scale = radius.clamp(self.inner, self.outer) / radius;
        Point {
            x: place.x * scale,
            y: place.y * scale,
        }
    }
}

fn relaxed(own: &[Point], ring: Ring) -> Vec<Point> {
    let room = ring.room(own.len());
    let mut places = own.to_vec();
    for _ in 0..ROUNDS {
        let before = places.clone();
        for (i, place) in places.iter_mut().enumerate() {
            let at = before[i];
            let mut moved = Point {
                x: at.x + (own[i].x - at.x) * SPRING,
                y: at.y + (own[i].y - at.y) * SPRING,
            };
            for (j, other) in before.iter().enumerate() {
                let (dx, dy) = (at.x - other.x, at.y - other.y);
                let apart = dx.hypot(dy);
                if i == j || apart >= room {
                    continue;
                }
                let push = (room - apart) * PUSH;
                // Two nodes at one spot part along x, the earlier key to the left.
                let (ux, uy) = match apart > f64::EPSILON {
                    true => (dx / apart, dy / apart),
                    false => (if i < j { -1.0 } else { 1.0 }, 0.0),
                };
                moved.x += ux * push;
                moved.y += uy * push;
            }
            *place = ring.held(moved);
        }
    }
    places
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use x0_crypto::Identity;
    use zeroize::Zeroizing;

    use super::*;

    fn keys(count: u16) -> Vec<PublicKey> {
        let key = |i: u16| {
            let mut seed = [7; 32];
            seed[..2].copy_from_slice(&i.to_be_bytes());
            Identity::from_seed(Zeroizing::new(seed)).public()
        };
        let mut keys: Vec<_> = (0..count).map(key).collect();
        keys.sort_unstable();
        keys
    }

    fn distance(a: Point, b: Point) -> f64 {
        (a.x - b.x).hypot(a.y - b.y)
    }

    #[test]
    fn the_same_keys_give_the_same_drawing() {
        let keys = keys(40);
        assert_eq!(place(&keys[..8], &keys[8..]), place(&keys[..8], &keys[8..]));
    }

    #[test]
    fn nodes_of_a_small_mesh_do_not_overlap() {
        let keys = keys(48);

        let (near, far) = place(&keys[..8], &keys[8..]);

        for points in [near, far] {
            for (i, a) in points.iter().enumerate() {
                for b in &points[i + 1..] {
                    assert!(distance(*a, *b) > 34.0, "{a:?} and {b:?}");
                }
            }
        }
    }

    #[test]
    fn a_newcomer_moves_the_others_little() {
        let keys = keys(41);
        let newcomer = keys[17];
        let before: Vec<_> = keys
            .iter()
            .copied()
            .filter(|key| *key != newcomer)
            .collect();

        let (_, old) = place(&[], &before);
        let (_, new) = place(&[], &keys);

        let stayed = keys.iter().zip(&new).filter(|(key, _)| **key != newcomer);
        let moves: Vec<_> = stayed
            .zip(&old)
            .map(|((_, a), b)| distance(*a, *b))
            .collect();
        let mean = moves.iter().sum::<f64>() / 40.0;
        assert!(mean < 12.0, "moved by {mean} of {WIDTH} on average");
    }

    #[test]
    fn every_node_stands_on_the_drawing_at_any_size() {
        for count in [0, 1, 2, 300, 301, 2_000] {
            let keys = keys(count);
            let (near, far) = place(&keys, &keys);
            assert_eq!((near.len(), far.len()), (keys.len(), keys.len()));
            for point in near.iter().chain(&far) {
                assert!((20.0..=WIDTH - 20.0).contains(&point.x), "{point:?}");
                assert!((20.0..=HEIGHT - 20.0).contains(&point.y), "{point:?}");
            }
        }
    }

    #[test]
    fn nodes_whose_keys_give_one_spot_part() {
        let spot = Point { x: 0.9, y: 0.0 };
        let apart = relaxed(&[spot, spot], FAR);
        assert!(distance(apart[0], apart[1]) > 0.05);
    }
}
