"""x"""
from models.operation import State
def test_nominal(scene):
    run = scene.live(3)
    scene.completed(run, 3)
    scene.approve(run)
    scene.settle()
    assert scene.states() == {State.CONFIRMED}
    assert len(scene.effects("approve"))==3
    assert {str(u) for u in scene.units()}=={"accepted"}
