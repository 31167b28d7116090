//! Keys as clients choose them: some of them much more often than others (G. K. Zipf, 1935).

/// Places of `count` things in the order of their ranks, drawn `draws` times; the thing of rank `k` has weight `k^-exponent`.
pub(crate) fn zipf(count: usize, exponent: f64, draws: usize, seed: u64) -> Vec<usize> {
    let mut sum = 0.0;
    let sums: Vec<f64> = (1..=count)
        .map(|rank| {
            sum += (rank as f64).powf(-exponent);
            sum
        })
        .collect();
    let mut random = fastrand::Rng::with_seed(seed);
    let draw = |_| {
        let at = random.f64() * sum;
        sums.partition_point(|upto| *upto <= at).min(count.saturating_sub(1))
    };
    (0..draws).map(draw).collect()
}
