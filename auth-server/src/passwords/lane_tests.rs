//! How the lane treats its callers. The work here blocks on channels instead of hashing, so that nothing depends on
//! how quick the machine is.

use std::sync::mpsc;

use super::*;

fn lane(lanes: usize, queue: usize, max_wait: Duration) -> Lane {
    Lane::start(&Settings { lanes, queue, max_wait, ..Settings::default() }).unwrap()
}

const LONG: Duration = Duration::from_secs(60);

/// Keeps one thread of `lane` busy until the returned sender is used or dropped.
async fn occupy(lane: &Lane) -> (mpsc::Sender<()>, tokio::task::JoinHandle<Result<(), LaneError>>) {
    let (release, gate) = mpsc::channel::<()>();
    let (begun, has_begun) = oneshot::channel();
    let lane = lane.clone();
    let caller = tokio::spawn(async move {
        lane.run(&Caller::local(), move |_| {
            let _ = begun.send(());
            let _ = gate.recv();
        })
        .await
    });
    has_begun.await.unwrap();
    (release, caller)
}

#[tokio::test]
async fn p11_work_whose_caller_hung_up_is_never_started() {
    let lane = lane(1, 8, LONG);
    let (release, first) = occupy(&lane).await;
    let (started, was_started) = mpsc::channel::<()>();
    let waiting = tokio::spawn({
        let lane = lane.clone();
        async move { lane.run(&Caller::local(), move |_| started.send(())).await }
    });
    while lane.counts().waiting == 0 {
        tokio::task::yield_now().await;
    }
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    release.send(()).unwrap();
    first.await.unwrap().unwrap();
    // The next work comes after the abandoned one: when it is done, the other was passed over.
    lane.run(&Caller::local(), |_| ()).await.unwrap();
    assert!(was_started.try_recv().is_err());
    assert_eq!((lane.counts().abandoned, lane.counts().begun), (1, 2));
}

#[tokio::test]
async fn p11_who_waits_too_long_is_told_to_come_back() {
    let lane = lane(1, 8, Duration::from_millis(5));
    let (release, first) = occupy(&lane).await;
    assert_eq!(lane.run(&Caller::local(), |_| ()).await, Err(LaneError::Busy { retry_after: Duration::from_secs(1) }));
    // The one that has begun gets its answer, however long it takes.
    release.send(()).unwrap();
    first.await.unwrap().unwrap();
}

#[tokio::test]
async fn p11_a_full_queue_refuses_at_once_and_makes_room_for_the_living() {
    let lane = lane(1, PASSES, LONG);
    let (release, first) = occupy(&lane).await;
    let mut waiting = Vec::new();
    for _ in 0..PASSES {
        let lane = lane.clone();
        waiting.push(tokio::spawn(async move { lane.run(&Caller::local(), |_| ()).await }));
    }
    while lane.counts().waiting < PASSES {
        tokio::task::yield_now().await;
    }
    assert!(matches!(lane.run(&Caller::local(), |_| ()).await, Err(LaneError::Busy { .. })));
    let gone = waiting.pop().unwrap();
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    let living = tokio::spawn({
        let lane = lane.clone();
        async move { lane.run(&Caller::local(), |_| 3).await }
    });
    while lane.counts().waiting < PASSES {
        tokio::task::yield_now().await;
    }
    release.send(()).unwrap();
    first.await.unwrap().unwrap();
    assert_eq!(living.await.unwrap(), Ok(3));
}

#[tokio::test]
async fn a_panic_costs_its_caller_the_answer_and_nobody_the_lane() {
    let lane = lane(1, 8, LONG);
    assert_eq!(lane.run(&Caller::local(), |_| -> () { panic!("for the test") }).await, Err(LaneError::Panicked));
    assert_eq!(lane.run(&Caller::local(), |_| 7).await, Ok(7));
}

#[tokio::test]
async fn dropping_the_lane_ends_its_threads() {
    let lane = lane(2, 8, LONG);
    let queue = Arc::downgrade(&lane.0.queue);
    lane.run(&Caller::local(), |_| ()).await.unwrap();
    drop(lane);
    assert!(queue.upgrade().is_none(), "a thread still holds the queue");
}

#[tokio::test]
async fn p11_memory_that_a_dear_hash_needed_is_given_back() {
    let lane = lane(1, 8, LONG);
    let blocks = usize::try_from(Settings::default().memory_kib).unwrap();
    let plain = Plain::new("correct horse battery".to_owned()).unwrap();
    let dear = "$argon2id$v=19$m=32768,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g";
    assert!(matches!(lane.verify(&Caller::local(), dear, &plain).await.unwrap(), Verdict::Differs));
    assert_eq!(lane.run(&Caller::local(), |memory| memory.capacity()).await.unwrap(), blocks);
}

/// One address fills the queue; another's work is done next all the same, and the flood learns at once that it gave way.
#[tokio::test]
async fn f12_a_full_queue_of_one_address_keeps_no_other_out() {
    let lane = lane(1, 4, LONG);
    let (release, first) = occupy(&lane).await;
    let order = Arc::new(Mutex::new(Vec::new()));
    let start = |address: [u8; 4], name: &'static str| {
        let (lane, order) = (lane.clone(), Arc::clone(&order));
        let caller = Caller::at(address.into());
        tokio::spawn(async move { lane.run(&caller, move |_| order.lock().unwrap().push(name)).await })
    };
    let mut flood = Vec::new();
    for waiting in 1..=4 {
        flood.push(start([192, 0, 2, 1], "flood"));
        while lane.counts().waiting < waiting {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(start([192, 0, 2, 1], "flood").await.unwrap(), Err(lane.busy()), "its own crowd is the largest");
    let honest = start([198, 51, 100, 7], "honest");
    assert_eq!(flood.pop().unwrap().await.unwrap(), Err(lane.busy()), "the newest of the crowd gives way");
    release.send(()).unwrap();
    first.await.unwrap().unwrap();
    honest.await.unwrap().unwrap();
    for waiting in flood {
        waiting.await.unwrap().unwrap();
    }
    assert_eq!(*order.lock().unwrap(), ["flood", "honest", "flood", "flood"], "one turn each");
}
