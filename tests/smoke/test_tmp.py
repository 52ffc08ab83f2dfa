import pytest, time
from tasks import dispatch
@pytest.mark.parametrize("n", range(10))
def test_k(job, fleet, n, beat):
    w=fleet.worker.container
    job.planned(3)
    dispatch.wake()
    mark=len(w.logs())
    fleet.broker.kill("SIGKILL")
    job.planned(2)
    dispatch.wake()
    fleet.broker.container.start(empty=True)
    try: job.finished(); print("OK",n)
    except AssertionError:
        print("FAIL", n, w.status, beat.container.status)
        l=w.logs()[mark:]
        open(f"/tmp/fail{n}.log","w").write(l)
