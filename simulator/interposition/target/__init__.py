"""What runs inside the processes of the program under test, in their own Python: the standard library only.

The directory is put on ``PYTHONPATH`` of the program's interpreter, which may lack everything that ckptrace needs.
Nothing here may import anything of the simulator, and each file works under Python 3.8 and newer.
"""
